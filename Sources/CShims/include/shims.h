#pragma once

#include "atomics.h"
