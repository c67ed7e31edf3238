import type { Logger } from '../lib/log.ts';

/** Writes every line to all of the loggers. */
export function teeLog(loggers: readonly Logger[]): Logger {
  const each = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    for (const logger of loggers) logger[level](fields, message);
  };
  return {
    debug: each('debug'),
    info: each('info'),
    warn: each('warn'),
    error: each('error'),
    child: (fields) => teeLog(loggers.map((logger) => logger.child(fields))),
  };
}
