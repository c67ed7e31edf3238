/** The largest hive that is read or grown to; Windows itself stops at 2 GiB. */
export const HIVE_BYTES_MAX = 1024 * 1024 * 1024;
/** Levels of keys, as in Windows. */
export const KEY_LEVELS_MAX = 512;
/** UTF-16 units of a key's name, as in Windows. */
export const KEY_NAME_UNITS_MAX = 255;
/** UTF-16 units of a value's name, as in Windows. */
export const VALUE_NAME_UNITS_MAX = 16_383;
/** Data of one value that is written; what is read is bounded by the hive itself. */
export const VALUE_BYTES_MAX = 64 * 1024 * 1024;
export const VALUES_OF_KEY_MAX = 1_000_000;
export const SECURITY_DESCRIPTOR_BYTES_MAX = 65_536;
/** What `check` lists before it stops listing. */
export const PROBLEMS_MAX = 1000;
