import pino from 'pino';

/** The logger is passed in; libraries never print. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

export interface LogOptions {
  level?: 'debug' | 'info' | 'warn' | 'error';
  /** A file or device the lines go to as JSON; standard error when missing. */
  path?: string;
}

/** Opens the program's log: one JSON object a line with `time` in milliseconds since 1970. */
export function openLog(options: LogOptions = {}): Logger {
  const destination = pino.destination({ dest: options.path ?? 2, sync: true, mkdir: true });
  return pino({ level: options.level ?? 'info', base: null }, destination);
}

const nothing = () => {};
export const silentLog: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLog,
};
