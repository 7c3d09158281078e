import HTTP
import Testing

@Suite struct PercentEncodingTests {
    @Test func `what was encoded is decoded again`() {
        for text in ["", "app.db", "a b%c=d,e", "/\u{0}\n\u{7F}", "é\u{301}🦆", "100%"] {
            let encoded = PercentEncoding.encoded(text)
            #expect(encoded.utf8.allSatisfy { (0x21..<0x7F).contains($0) })
            #expect(PercentEncoding.decoded(encoded).map { Array($0.utf8) } == Array(text.utf8))
        }
        #expect(PercentEncoding.decoded("%e2%82%AC") == "€")
    }

    @Test(arguments: ["%", "a%2", "%zz", "%+1", "%FF", "%C3", "%0x"])
    func `what is no encoded text is not decoded`(text: String) {
        #expect(PercentEncoding.decoded(text) == nil)
    }
}
