import { constants } from 'node:fs';
import { open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { errnoOf, errorLine, TdError } from '../lib/errors.ts';
import { writeJsonFile } from '../lib/json-file.ts';
import type { Template } from '../schema/template.ts';
import type { FieldProblem, TemplateEntry } from './console-api.ts';
import { type Secrets, withSecrets } from './secrets.ts';
import {
  checkTemplate,
  checkTemplateText,
  problemLine,
  TEMPLATE_BYTES_MAX,
  type TemplateCheck,
  templateError,
} from './template-check.ts';

export const TEMPLATE_SUFFIX = '.json';
const FILES_MAX = 10_000;
/** A named pipe must not hold the console. */
const READ_NOW = constants.O_RDONLY | constants.O_NONBLOCK;

export interface TemplateStoreOptions {
  /** The folder as it is set now. */
  dir(): string;
  secrets: Secrets;
}

interface LoadedTemplate extends TemplateCheck {
  changedAt: string;
}

/** Templates as files `<name>.json` in one folder, which people may copy about and keep in version control. */
export class TemplateStore {
  readonly #options: TemplateStoreOptions;
  #saving: Promise<unknown> = Promise.resolve();

  constructor(options: TemplateStoreOptions) {
    this.#options = options;
  }

  /** Every template by name; one that cannot be used is listed with its problems. */
  async list(): Promise<TemplateEntry[]> {
    const entries: TemplateEntry[] = [];
    // One after the other: a folder on a slow share is not asked for everything at once.
    for (const name of await this.#names()) {
      const { template, problems, changedAt } = await this.#loaded(name);
      const { image = '', comment = '', offeredOnTargets = false } = template ?? {};
      entries.push({
        name,
        image,
        comment,
        changedAt,
        offeredOnTargets,
        problems: problems.map(problemLine),
      });
    }
    return entries;
  }

  /**
   * A template as it is stored, passwords sealed; those of another console are in it too, to be typed again.
   *
   * @throws TdError `not-found`; `invalid` naming what is wrong in its file.
   */
  async get(name: string): Promise<Template> {
    const { template, problems } = await this.#find(name);
    if (template === undefined) throw templateError(`use template "${name}"`, problems);
    return template;
  }

  /** {@link get} of one that can be deployed as it is: nothing at all is wrong with it. */
  async usable(name: string): Promise<Template> {
    const { template, problems } = await this.#find(name);
    if (template === undefined || problems.length > 0)
      throw templateError(`use template "${name}"`, problems);
    return template;
  }

  /**
   * Checks and stores a template, its passwords sealed; a crash leaves the old file or the new one.
   *
   * @throws TdError `invalid` naming the fields, `refused` when there is one of that name, `no-space`, `io`.
   */
  async save(value: unknown, options: { replace?: boolean } = {}): Promise<{ path: string }> {
    const { template, problems } = checkTemplate(value, this.#options.secrets);
    if (template === undefined || problems.length > 0) throw templateError('save the template', problems);
    const saved = this.#saving.then(() => this.#write(this.#sealed(template), options.replace === true));
    this.#saving = saved.catch(() => {});
    return await saved;
  }

  /** @throws TdError `not-found`, `io`. */
  async delete(name: string): Promise<void> {
    const path = join(this.#options.dir(), `${await this.#existing(name)}${TEMPLATE_SUFFIX}`);
    await unlink(path).catch((cause: unknown) => {
      throw new TdError('io', `Cannot delete "${path}": ${errorLine(cause)}`, { cause });
    });
  }

  async #write(template: Template, replace: boolean): Promise<{ path: string }> {
    const { name } = template;
    const same = (await this.#names()).filter((one) => one.toLowerCase() === name.toLowerCase());
    if (same.length > 0 && !replace) {
      throw new TdError(
        'refused',
        `Cannot save template "${name}": there is one of that name; take another name, or replace it`,
      );
    }
    const text = JSON.stringify(template, null, 2);
    if (Buffer.byteLength(text) > TEMPLATE_BYTES_MAX) {
      throw new TdError('invalid', `Cannot save template "${name}": it is too big; shorten its lists`);
    }
    if (!isDeepStrictEqual(checkTemplateText(text, this.#options.secrets), { template, problems: [] })) {
      throw new TdError('invalid', `Cannot save template "${name}": it would not be read as it was written`);
    }
    const path = join(this.#options.dir(), `${name}${TEMPLATE_SUFFIX}`);
    await writeJsonFile(path, template);
    // One that differs in letter case only would stand beside the new one.
    for (const old of same.filter((one) => one !== name)) {
      await unlink(join(this.#options.dir(), `${old}${TEMPLATE_SUFFIX}`));
    }
    return { path };
  }

  #sealed(template: Template): Template {
    const { secrets } = this.#options;
    return {
      ...withSecrets(template, (secret) => secrets.seal(secret)),
      imagePassword: secrets.seal(template.imagePassword),
    };
  }

  async #find(name: string): Promise<LoadedTemplate> {
    return await this.#loaded(await this.#existing(name));
  }

  /** The name as its file spells it. */
  async #existing(name: string): Promise<string> {
    const names = await this.#names();
    const found =
      names.find((one) => one === name) ?? names.find((one) => one.toLowerCase() === name.toLowerCase());
    if (found !== undefined) return found;
    throw new TdError(
      'not-found',
      `Cannot find template "${name.slice(0, 120)}" in "${this.#options.dir()}"; "totaldeploy template list" lists what there is`,
    );
  }

  async #names(): Promise<string[]> {
    const dir = this.#options.dir();
    try {
      const files = (await readdir(dir)).filter(
        (file) => file.endsWith(TEMPLATE_SUFFIX) && !file.startsWith('.'),
      );
      return files
        .slice(0, FILES_MAX)
        .map((file) => file.slice(0, -TEMPLATE_SUFFIX.length))
        .sort((a, b) => a.localeCompare(b));
    } catch (cause) {
      const missing = errnoOf(cause) === 'ENOENT';
      throw new TdError(
        missing ? 'not-found' : 'io',
        `Cannot list the templates in "${dir}": ${missing ? 'there is no such folder; set another template path' : errorLine(cause)}`,
        { cause },
      );
    }
  }

  /** @param name of a file that is in the folder; nothing else reaches the file system. */
  async #loaded(name: string): Promise<LoadedTemplate> {
    const problem = (message: string, changedAt = '') => ({
      template: undefined,
      problems: [{ path: '', message }],
      changedAt,
    });
    try {
      await using file = await open(join(this.#options.dir(), `${name}${TEMPLATE_SUFFIX}`), READ_NOW);
      const stat = await file.stat();
      const changedAt = stat.mtime.toISOString();
      if (!stat.isFile()) return problem('it is no file', changedAt);
      if (stat.size > TEMPLATE_BYTES_MAX) {
        return problem(`it is bigger than ${TEMPLATE_BYTES_MAX} bytes`, changedAt);
      }
      const check = checkTemplateText(await file.readFile('utf8'), this.#options.secrets);
      return { ...check, problems: [...nameProblems(check.template, name), ...check.problems], changedAt };
    } catch (error) {
      return problem(`it cannot be read: ${errorLine(error)}`);
    }
  }
}

/** A copied file keeps the name inside: which of both is meant, only a person knows. */
function nameProblems(template: Template | undefined, name: string): FieldProblem[] {
  if (template === undefined || template.name === name) return [];
  const message = `is "${template.name}", but the file is "${name}${TEMPLATE_SUFFIX}"; change one of them`;
  return [{ path: 'name', message }];
}
