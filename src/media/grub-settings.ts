import { TdError } from '../lib/errors.ts';
import { BOOT_MODES, type BootMode, parseBootParams, splitCommandLine } from '../schema/boot-params.ts';

const EXTRA_PARAMS_MAX = 32;
/** The kernel takes 2047 characters on BIOS; the menu's own parameters need their share. */
const EXTRA_CHARS_MAX = 1024;
const TIMEOUT_SECONDS_MAX = 3600;

/** Set by the menu itself, so that a second value could only contradict it. */
const MENU_PARAMS = ['td.mode', 'td.boot'];

/** No quote, space, dollar, backslash, bracket, star, semicolon: nothing that GRUB or the kernel would read as more than text. */
const PLAIN_PARAMETER = /^td\.[a-z]+(=[A-Za-z0-9._:/,@%+=<>~-]+)?$/;
/** The parser refuses unknown names anyway; this tells people why. */
const SECRET_NAME = /pass|secret|key|token|credential/i;
const URL_WITH_PASSWORD = /:\/\/[^/@]*:[^/@]*@/;

export interface GrubSettings {
  /** The menu entry that starts by itself. */
  defaultMode: BootMode;
  /** Seconds until it does; 0 starts at once, null waits for a key. */
  timeoutSeconds: number | null;
  /** Further kernel parameters as `td.name=value`; no secrets. */
  extraParams?: readonly string[];
  /** The medium has a site image, and starting without it is an error. */
  hasSite: boolean;
}

/**
 * The text of `settings.cfg`, which the boot menu reads.
 *
 * @throws TdError `usage` naming the setting that is not allowed.
 */
export function grubSettings(settings: GrubSettings): string {
  const { defaultMode, timeoutSeconds, extraParams = [], hasSite } = settings;
  if (!BOOT_MODES.includes(defaultMode)) {
    throw new TdError(
      'usage',
      `Cannot use "${defaultMode}" as the default entry: use ${BOOT_MODES.join(', ')}`,
    );
  }
  if (timeoutSeconds !== null && !isWholeNumber(timeoutSeconds, TIMEOUT_SECONDS_MAX)) {
    throw new TdError(
      'usage',
      `Cannot use ${timeoutSeconds} as the menu's time limit: use whole seconds from 0 to ${TIMEOUT_SECONDS_MAX}`,
    );
  }
  const lines = [
    '# Written by TotalDeploy when this medium was made.',
    `set td_default=${grubQuoted(defaultMode)}`,
    `set td_timeout=${grubQuoted(String(timeoutSeconds ?? -1))}`,
    `set td_params=${grubQuoted(checkedParams(extraParams).join(' '))}`,
    `set td_site=${grubQuoted(hasSite ? 'yes' : '')}`,
    'set td_settings=1',
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * One word of GRUB's script language: between single quotes everything is literal, and nothing can stand for
 * a single quote there (GRUB manual, "Quoting").
 *
 * @throws TdError `usage` for a single quote or a control character.
 */
export function grubQuoted(text: string): string {
  if (/['\x00-\x1f\x7f]/.test(text)) {
    throw new TdError(
      'usage',
      `Cannot write ${JSON.stringify(text)} into the boot menu: it has a quote or a control character`,
    );
  }
  return `'${text}'`;
}

function checkedParams(extraParams: readonly string[]): readonly string[] {
  if (extraParams.length > EXTRA_PARAMS_MAX || extraParams.join(' ').length > EXTRA_CHARS_MAX) {
    throw new TdError(
      'usage',
      `Cannot add ${extraParams.length} boot parameters: at most ${EXTRA_PARAMS_MAX} with ${EXTRA_CHARS_MAX} characters in all`,
    );
  }
  for (const parameter of extraParams) {
    const reason = parameterProblem(parameter);
    if (reason !== undefined) throw new TdError('usage', `Cannot add a boot parameter: ${reason}`);
  }
  const { problems } = parseBootParams(extraParams.join(' '));
  if (problems.length > 0) {
    throw new TdError('usage', `Cannot add a boot parameter: ${problems[0]!.message}`);
  }
  return extraParams;
}

function parameterProblem(parameter: string): string | undefined {
  const name = splitCommandLine(parameter)[0]?.name ?? '';
  // Not shown: whoever tries to put a password there should not find it in a log.
  if (SECRET_NAME.test(name) || URL_WITH_PASSWORD.test(parameter)) {
    return 'it looks like a password or key, and anyone can read a boot menu; put secrets into the site file';
  }
  if (!PLAIN_PARAMETER.test(parameter)) {
    return `${JSON.stringify(parameter.slice(0, 80))} is not td.NAME=VALUE of letters, digits and ._:/,@%+=<>~-`;
  }
  return MENU_PARAMS.includes(name) ? `${name} is set by the boot menu itself` : undefined;
}

function isWholeNumber(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}
