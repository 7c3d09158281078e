#pragma once

// Whether fault points do anything. A plain word, because each point reads it: Swift guards its own globals with a check of
// whether they were initialized. Set on the main thread before any other is started, never changed afterwards.

#include <stdbool.h>

extern bool cshims_faults_flag;

static inline bool cshims_faults_are_armed(void) {
    return cshims_faults_flag;
}

static inline void cshims_arm_faults(void) {
    cshims_faults_flag = true;
}
