import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TdError } from '../src/lib/errors.ts';
import { run } from '../src/lib/spawn.ts';

export interface Mirrors {
  main: string;
  security: string | undefined;
}

export interface ResolvedPackage {
  name: string;
  version: string;
  architecture: string;
}

/** A private apt: its own sources, state and cache, so that neither the machine's packages nor its release matter. */
export interface Apt {
  get(args: readonly string[], cwd?: string): Promise<string>;
}

const SUITE = 'trixie';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const DOWNLOAD_TIMEOUT_MS = 30 * 60_000;

/**
 * Finds the Debian mirrors in the machine's own apt sources.
 *
 * @throws TdError `not-found` when it has none.
 */
export async function machineMirrors(): Promise<Mirrors> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(LABEL)|$(REPO_URI)']);
  const lines = stdout.split('\n').map((line) => line.split('|') as [string, string]);
  const find = (label: string, ending: RegExp) =>
    (lines.find(([name]) => name === label) ?? lines.find(([, uri]) => ending.test(uri ?? '')))?.[1];
  const main = find('Debian', /\/debian\/?$/);
  if (main === undefined) {
    throw new TdError(
      'not-found',
      "Cannot fetch Debian packages: this machine's apt sources name no Debian mirror; pass --mirror URL",
    );
  }
  return { main, security: find('Debian-Security', /\/debian-security\/?$/) };
}

/** Sets up the private apt under `dir`. */
export async function openApt(dir: string, mirrors: Mirrors): Promise<Apt> {
  await mkdir(join(dir, 'state/lists/partial'), { recursive: true });
  await mkdir(join(dir, 'cache/archives/partial'), { recursive: true });
  const line = (uri: string, suite: string) => `deb [signed-by=${KEYRING} arch=amd64] ${uri} ${suite} main\n`;
  const sources = [line(mirrors.main, SUITE), line(mirrors.main, `${SUITE}-updates`)];
  if (mirrors.security !== undefined) sources.push(line(mirrors.security, `${SUITE}-security`));
  await writeFile(join(dir, 'sources.list'), sources.join(''));
  await writeFile(join(dir, 'status'), '');
  const settings = {
    'Dir::State': join(dir, 'state'),
    'Dir::State::status': join(dir, 'status'),
    'Dir::Cache': join(dir, 'cache'),
    'Dir::Etc::SourceList': join(dir, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'APT::Architecture': 'amd64',
    'APT::Architectures': 'amd64',
    'APT::Install-Recommends': 'false',
    'APT::Install-Suggests': 'false',
    'APT::Sandbox::User': 'root', // the cache is this user's own, apt's helper user cannot write there
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return {
    async get(args, cwd) {
      const location = cwd === undefined ? {} : { cwd };
      const result = await run('apt-get', [...options, ...args], {
        timeoutMs: DOWNLOAD_TIMEOUT_MS,
        ...location,
      });
      return result.stdout;
    },
  };
}

/** What `names` and all they depend on would install on an empty machine, sorted by name. */
export async function resolveClosure(apt: Apt, names: readonly string[]): Promise<ResolvedPackage[]> {
  const plan = await apt.get(['install', '--simulate', '--yes', ...names]);
  const packages = plan.split('\n').flatMap((line) => {
    const found = /^Inst (\S+) \((\S+) .*\[(\w+)\]\)/.exec(line);
    return found === null ? [] : [{ name: found[1]!, version: found[2]!, architecture: found[3]! }];
  });
  return packages.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** apt's own file name of a package. */
export function packageFileName(entry: ResolvedPackage): string {
  return `${entry.name}_${entry.version.replaceAll(':', '%3a')}_${entry.architecture}.deb`;
}
