/** What a target does when it is finished; apart from the schemas, for the command line's start needs no zod. */
export const AFTER_ACTIONS = ['shutdown', 'restart', 'wait'] as const;

export type AfterAction = (typeof AFTER_ACTIONS)[number];
