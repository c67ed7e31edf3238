/** Types of values as `hive set --type` calls them. */
export const HIVE_TYPES = ['sz', 'expand', 'multi', 'dword', 'qword', 'binary', 'none'] as const;

export type HiveType = (typeof HIVE_TYPES)[number];
