// The parameters of pump, wear, duty, noise and chaos. Made by `python -m simulators.parameters`: change them there.
// Sources and reasons stand in the modules of simulators/ named below and in docs/simulation.md.
#pragma once

#include <stdint.h>

namespace pdm {

constexpr int BRIDGE_KNOTS = 64;
constexpr int DAY_LEVELS = 4096;
constexpr int DRAW_LEVELS = 65536;
constexpr int EXPONENT_LEVELS = 32;
constexpr int START_LEVELS = 8;
constexpr int BASELINE_READINGS = 40;
constexpr int CHAOS_NOT_BEFORE = 40;
constexpr int EPISODE_KINDS = 16;
constexpr int DECAY_READINGS = 1024;
constexpr int NORMAL_DOUBLINGS = 11;
constexpr double BRIDGE_SHAPE = 48.0;
constexpr double EARLIEST_START = 0.05;
constexpr double LATEST_START = 0.3;
constexpr double STOP_SHARE = 0.25;
constexpr double SPEED_CHANGE_SHARE = 0.5;
constexpr double NIGHT_LOAD = 0.88;
constexpr double WORST_REPAIR = 0.15;
constexpr double SPIKE_SHARE = 0.3333333333333333;
constexpr double RATED_RPM = 2850.0;
constexpr double SYNCHRONOUS_RPM = 3000.0;
constexpr double RATED_CURRENT_A = 7.8;
constexpr double RATED_HEAD_BAR = 3.9;
constexpr double RATED_RISE_C = 16.0;
constexpr double SHUT_OFF_HEAD = 1.25;
constexpr double CURVE_FALL = 0.25;
constexpr double STATIC_HEAD = 0.35;
constexpr double NO_LOAD_CURRENT = 0.45;
constexpr double COPPER_SHARE = 0.6;
constexpr double HYDRAULIC_FLOOR = 0.5;
constexpr double HYDRAULIC_OFF_DESIGN = 6.0;
constexpr float NOISE_VIBRATION = 0.06f;
constexpr float NOISE_TEMPERATURE_C = 0.5f;
constexpr float NOISE_PRESSURE = 0.008f;
constexpr float NOISE_CURRENT = 0.01f;
constexpr float NOISE_RPM = 4.0f;
constexpr float PULSATION = 0.01f;
constexpr float SPIKE_MM_S = 12.0f;
constexpr float HEATWAVE_C = 15.0f;

// lifetimes.py: survival exp(-(t / scale_hours) ** shape)
struct Weibull { double shape, scale_hours; };
// wear.py: mean wear is time to a power between these
struct Exponents { double low, high; };
// speeds.py
struct Pace {
    uint32_t min_readings, max_readings, interval_ms;
    double hours_per_reading;
    uint32_t slot_readings, min_segment_slots, max_segment_slots, min_stop_slots, max_stop_slots;
    double thermal_readings;
    uint32_t day_readings;
};
// physics.py: mean and one standard deviation of an even spread
struct Spread { double mean, deviation; };
// signatures.py: effect where the damage of a mode shows as 1
struct Signature {
    float trim, efficiency, leak, clog, friction, copper, slip, heat_c;
    float unbalance, misalignment, bearing, hydraulic, looseness, pulsation;
};
// signatures.py: share of a source of vibration on x, y, z
struct AxisShares { float x, y, z; };
// contract/channels.py: what can be a measurement, and the digits that its sensor gives
struct ChannelRange { double possible_min, possible_max; int decimals; };

constexpr Weibull LIVES[8] = {
    {1.3, 40000.0},  // bearing_wear
    {2.5, 150000.0},  // impeller_wear
    {1.4, 25000.0},  // seal_leakage
    {2.5, 40000.0},  // cavitation
    {1.2, 50000.0},  // unbalance
    {2.0, 75000.0},  // misalignment
    {1.2, 100000.0},  // winding_degradation
    {1.1, 25000.0},  // plugged_suction
};

constexpr Exponents EXPONENTS[8] = {
    {1.5, 2.2},  // bearing_wear
    {1.2, 1.6},  // impeller_wear
    {1.3, 2.0},  // seal_leakage
    {1.3, 2.0},  // cavitation
    {1.2, 1.8},  // unbalance
    {1.2, 1.9},  // misalignment
    {1.4, 2.2},  // winding_degradation
    {1.2, 2.0},  // plugged_suction
};

constexpr Signature SIGNATURES[8] = {
    {0.0f, 0.0f, 0.0f, 0.0f, 0.06f, 0.0f, 0.05f, 12.0f, 0.0f, 0.0f, 3.0f, 0.0f, 0.6f, 0.0f},  // bearing_wear
    {0.17f, 0.16f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 1.3f, 0.0f, 0.0f, 0.2f, 0.0f, 0.0f},  // impeller_wear
    {0.0f, 0.0f, 0.22f, 0.0f, 0.02f, 0.0f, 0.0f, 10.0f, 0.0f, 0.35f, 0.0f, 0.25f, 0.0f, 0.0f},  // seal_leakage
    {0.06f, 0.07f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.9f, 3.2f, 0.0f, 0.045f},  // cavitation
    {0.0f, 0.0f, 0.0f, 0.0f, 0.02f, 0.0f, 0.0f, 3.0f, 3.9f, 0.0f, 0.25f, 0.0f, 0.5f, 0.0f},  // unbalance
    {0.0f, 0.0f, 0.0f, 0.0f, 0.06f, 0.0f, 0.0f, 6.0f, 0.0f, 4.2f, 0.4f, 0.0f, 0.3f, 0.0f},  // misalignment
    {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.15f, 0.5f, 11.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.2f, 0.0f},  // winding_degradation
    {0.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.0f, 2.0f, 0.0f, 0.0f, 0.0f, 1.1f, 0.0f, 0.035f},  // plugged_suction
};

constexpr AxisShares AXIS_SHARES[5] = {
    {1.0f, 0.92f, 0.22f},  // unbalance
    {0.5f, 0.45f, 1.0f},  // misalignment
    {0.95f, 1.0f, 0.75f},  // bearing
    {0.9f, 0.85f, 0.7f},  // hydraulic
    {0.6f, 1.0f, 0.4f},  // looseness
};

constexpr Pace PACES[3] = {
    {120, 200, 1000, 50.0, 5, 4, 16, 1, 4, 5.0, 120},  // stress
    {500, 800, 2000, 12.5, 10, 6, 30, 1, 4, 12.0, 480},  // accelerated
    {8000, 12000, 10000, 0.8, 20, 15, 125, 1, 6, 60.0, 8640},  // nominal
};

constexpr Spread BUILT[15] = {
    {1.0, 0.07},  // gain_x
    {1.0, 0.07},  // gain_y
    {1.0, 0.07},  // gain_z
    {0.42, 0.09},  // unbalance
    {0.33, 0.07},  // misalignment
    {0.16, 0.03},  // bearing
    {0.5, 0.09},  // hydraulic
    {0.12, 0.04},  // looseness
    {1.0, 0.025},  // head
    {1.0, 0.03},  // current
    {1.0, 0.1},  // rise
    {1.0, 0.07},  // slip
    {0.3, 0.06},  // suction_bar
    {22.0, 1.8},  // ambient_c
    {2.5, 0.6},  // amplitude_c
};

constexpr ChannelRange CHANNEL_RANGES[8] = {
    {0.0, 1000.0, 3},  // vibration_x, mm/s
    {0.0, 1000.0, 3},  // vibration_y, mm/s
    {0.0, 1000.0, 3},  // vibration_z, mm/s
    {0.0, 1000.0, 3},  // vibration_rms, mm/s
    {-60.0, 400.0, 2},  // temperature, °C
    {-1.1, 1000.0, 3},  // pressure, bar
    {0.0, 5000.0, 3},  // current, A
    {0.0, 100000.0, 1},  // rpm, 1/min
};

// Normal quantiles from the end of the law to its middle: at the first 16 levels, then 8 stretches to each doubling of
// the distance from the end. Coefficients of a cubic over the stretch, constant first, in 2^-28.
constexpr int32_t NORMAL[104][4] = {
    {1160961615, 0, 0, 0},
    {1094198355, 0, 0, 0},
    {1061864371, 0, 0, 0},
    {1040072953, 0, 0, 0},
    {1023525562, 0, 0, 0},
    {1010138820, 0, 0, 0},
    {998872649, 0, 0, 0},
    {989131105, 0, 0, 0},
    {980540198, 0, 0, 0},
    {972849479, 0, 0, 0},
    {965882847, 0, 0, 0},
    {959511662, 0, 0, 0},
    {953639039, 0, 0, 0},
    {948190152, 0, 0, 0},
    {943105984, 0, 0, 0},
    {938339151, 0, 0, 0},
    {933851018, -8719700, 491707, -35417},
    {925588415, -7837973, 393932, -25524},
    {918119374, -7123710, 322873, -19009},
    {911299883, -6532976, 269586, -14543},
    {905022200, -6036016, 228585, -11378},
    {899203570, -5611957, 196350, -9072},
    {893779024, -5245715, 170541, -7352},
    {888696598, -4926114, 149551, -6042},
    {883914062, -9289057, 526911, -36876},
    {875115337, -8343251, 421205, -26584},
    {867166898, -7578893, 344624, -19806},
    {859912953, -6947907, 287342, -15158},
    {853237322, -6417882, 243360, -11863},
    {847051003, -5966161, 208844, -9462},
    {841284273, -5576421, 181250, -7670},
    {835881469, -5236600, 158836, -6305},
    {830797413, -9874645, 558811, -38507},
    {821443202, -8870611, 446388, -27773},
    {812991289, -8059892, 365039, -20700},
    {805275793, -7391054, 304249, -15849},
    {798173179, -6829495, 257609, -12409},
    {791588912, -6351064, 221029, -9901},
    {785448997, -5938382, 191799, -8029},
    {779694402, -5578622, 168066, -6603},
    {774277235, -10523543, 591009, -40347},
    {764304418, -9460875, 472141, -29116},
    {755286609, -8602836, 386149, -21713},
    {747048236, -7894921, 321899, -16633},
    {739458601, -7300487, 272607, -13029},
    {732417705, -6793971, 233947, -10400},
    {725847291, -6356988, 203056, -8438},
    {719684929, -5975970, 177972, -6942},
    {713879971, -11280597, 625875, -42446},
    {703182839, -10154560, 500256, -30653},
    {693497904, -9244941, 409353, -22874},
    {684639457, -8494129, 341412, -17533},
    {676469217, -7863388, 289271, -13742},
    {668881366, -7325695, 248364, -10976},
    {661793064, -6861613, 215665, -8909},
    {655138212, -6456795, 189106, -7333},
    {648863166, -12199991, 665262, -44869},
    {637283592, -11002435, 532169, -32430},
    {626780910, -10034309, 435797, -24220},
    {617158188, -9234635, 363724, -18577},
    {608268706, -8562394, 308381, -14570},
    {600000127, -7988962, 264937, -11645},
    {592264461, -7493736, 230193, -9457},
    {584991463, -7061505, 201958, -7789},
    {578124098, -13360669, 710840, -47699},
    {565426586, -12080388, 569189, -34510},
    {553880887, -11044420, 466529, -25796},
    {543277206, -10187982, 389690, -19804},
    {533459116, -9467466, 330642, -15544},
    {524306750, -8852417, 284256, -12432},
    {515726159, -8320904, 247133, -10104},
    {507642286, -7856724, 216945, -8327},
    {499994148, -14894303, 764007, -51044},
    {485812820, -13517629, 612331, -36973},
    {472870558, -12402702, 502284, -27667},
    {460942477, -11480323, 419831, -21261},
    {449860728, -10703866, 356407, -16704},
    {439496568, -10040742, 306539, -13372},
    {429748994, -9467464, 266594, -10877},
    {420537248, -8966668, 234084, -8972},
    {411795658, -17049399, 824502, -55057},
    {395515716, -15563650, 660845, -39939},
    {380572980, -14360510, 541934, -29929},
    {366724480, -13365556, 452717, -23031},
    {353788612, -12528596, 383996, -18119},
    {341625896, -11814507, 329891, -14524},
    {330126756, -11197960, 286494, -11831},
    {319203460, -10660206, 251126, -9772},
    {308784571, -20372993, 882696, -60103},
    {289234183, -18785842, 703999, -43742},
    {271108605, -17507702, 573737, -32900},
    {254141743, -16457988, 475641, -25427},
    {238133973, -15582315, 399757, -20105},
    {222931312, -14842626, 339710, -16212},
    {208412185, -14211476, 291261, -13299},
    {194478671, -13668574, 251496, -11077},
    {181050475, -26395968, 868181, -69193},
    {155453507, -24864986, 662362, -51775},
    {131199115, -23694161, 508101, -40459},
    {107972601, -22798388, 387405, -32927},
    {85528694, -22121726, 289086, -27885},
    {63668171, -21626793, 205766, -24581},
    {42222565, -21288752, 132284, -22578},
    {21043521, -21091797, 64772, -21631},
};

}  // namespace pdm
