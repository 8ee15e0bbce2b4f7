/**
 * The comparison operators of Postgres's btree and hash operator classes, as their functions: OIDs of =, <>, <, <=, >, >= (0: there is none).
 * A test holds the table against pg_amop. Read by `failure.ts` (a comparison cannot fail) and by the native comparisons, which are made from it.
 */

export type Comparisons = readonly [eq: number, ne: number, lt: number, le: number, gt: number, ge: number];

export const COMPARISONS = {
  bool: [60, 84, 56, 1691, 57, 1692],
  int2: [63, 145, 64, 148, 146, 151],
  int4: [65, 144, 66, 149, 147, 150],
  int8: [467, 468, 469, 471, 470, 472],
  int24: [158, 164, 160, 166, 162, 168],
  int42: [159, 165, 161, 167, 163, 169],
  int28: [1850, 1851, 1852, 1854, 1853, 1855],
  int82: [1856, 1857, 1858, 1860, 1859, 1861],
  int48: [852, 853, 854, 856, 855, 857],
  int84: [474, 475, 476, 478, 477, 479],
  oid: [184, 185, 716, 717, 1638, 1639],
  xid: [68, 3308, 0, 0, 0, 0],
  xid8: [5084, 5085, 5034, 5036, 5035, 5037],
  cid: [69, 0, 0, 0, 0, 0],
  tid: [1292, 1265, 2791, 2793, 2790, 2792],
  pg_lsn: [3233, 3236, 3231, 3232, 3235, 3234],
  float4: [287, 288, 289, 290, 291, 292],
  float8: [293, 294, 295, 296, 297, 298],
  float48: [299, 300, 301, 302, 303, 304],
  float84: [305, 306, 307, 308, 309, 310],
  numeric: [1718, 1719, 1722, 1723, 1720, 1721],
  money: [888, 889, 890, 891, 892, 893],
  date: [1086, 1091, 1087, 1088, 1089, 1090],
  time: [1145, 1106, 1102, 1103, 1104, 1105],
  timetz: [1352, 1353, 1354, 1355, 1357, 1356],
  timestamp: [2052, 2053, 2054, 2055, 2057, 2056],
  timestamptz: [1152, 1153, 1154, 1155, 1157, 1156],
  interval: [1162, 1163, 1164, 1165, 1167, 1166],
  date_timestamp: [2340, 2343, 2338, 2339, 2341, 2342],
  timestamp_date: [2366, 2369, 2364, 2365, 2367, 2368],
  date_timestamptz: [2353, 2356, 2351, 2352, 2354, 2355],
  timestamptz_date: [2379, 2382, 2377, 2378, 2380, 2381],
  timestamp_timestamptz: [2522, 2525, 2520, 2521, 2523, 2524],
  timestamptz_timestamp: [2529, 2532, 2527, 2528, 2530, 2531],
  uuid: [2956, 2959, 2954, 2955, 2958, 2957],
  text: [67, 157, 740, 741, 742, 743],
  bpchar: [1048, 1053, 1049, 1050, 1051, 1052],
  name: [62, 659, 655, 656, 657, 658],
  name_text: [240, 245, 241, 242, 244, 243],
  text_name: [247, 252, 248, 249, 251, 250],
  char: [61, 70, 1246, 72, 73, 74],
  bytea: [1948, 1953, 1949, 1950, 1951, 1952],
  bit: [1581, 1582, 1595, 1594, 1593, 1592],
  varbit: [1666, 1667, 1671, 1670, 1669, 1668],
  enum: [3508, 3509, 3510, 3512, 3511, 3513],
  inet: [920, 925, 921, 922, 923, 924],
  macaddr: [830, 835, 831, 832, 833, 834],
  macaddr8: [4113, 4118, 4114, 4115, 4116, 4117],
  jsonb: [4043, 4038, 4039, 4041, 4040, 4042],
  tsvector: [3618, 3619, 3616, 3617, 3621, 3620],
  tsquery: [3664, 3665, 3662, 3663, 3667, 3666],
} as const satisfies Readonly<Record<string, Comparisons>>;

/** Of arrays: as good as the comparison of their elements, which is looked up when they run. */
export const ARRAY_COMPARISONS: Comparisons = [744, 390, 391, 393, 392, 396];
