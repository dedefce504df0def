// Arduino.h without its macro `bit`, which would replace the core's function of that name.
#pragma once

#include <Arduino.h>
#undef bit
