#define FUSE_USE_VERSION 312
#define _FILE_OFFSET_BITS 64
#include <fuse_lowlevel.h>
