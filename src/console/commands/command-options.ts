import { type Command, InvalidArgumentError } from 'commander';

/** Adds a command that knows `--data` and shows an example. */
export type NewCommand = (name: string, description: string, example: string) => Command;

/** A parser for an option that takes a number. */
export function numberIn(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`Give a number from ${min} to ${max}.`);
    }
    return value;
  };
}
