import type { Present } from './dialog.ts';

/** Said where a line or Enter opens the Pre-OS' menu. */
export const MENU_HINT = 'Press Enter for the menu.';

/** One labelled fact on a screen, e.g. `Console  lab-server (192.168.1.10)`. */
export interface ScreenRow {
  label: string;
  value: string;
}

/** What a person at this computer may pick from while nothing runs. */
export interface ScreenChoices {
  title: string;
  items: readonly string[];
  /** Goes through with the choice, asking on the terminal where it was made. */
  pick(index: number, present: Present): Promise<void>;
}

/** Everything a Pre-OS screen shows at one moment; screens render it, roles make it. */
export interface ScreenView {
  title: string;
  rows: readonly ScreenRow[];
  /** What is happening now, in an administrator's words. */
  activity: string;
  /** 0 to 1 while something measurable runs. */
  fraction?: number;
  /** Rate and time left, e.g. `112 MB/s, 3:10 left`. */
  rate?: string;
  /** What went wrong, one line each. */
  problems: readonly string[];
  /** What to do about it, or which keys there are. */
  hints: readonly string[];
  choices?: ScreenChoices;
}

export interface Screen {
  /** A line that stays in the serial log whatever else is drawn; automation waits for it. */
  milestone(text: string): void;
  show(view: ScreenView): void;
}

export const silentScreen: Screen = { milestone: () => {}, show: () => {} };
