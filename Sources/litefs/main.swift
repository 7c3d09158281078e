print("litefs")
