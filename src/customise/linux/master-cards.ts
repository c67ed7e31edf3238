import type { SystemRoot } from '../system-root.ts';
import { assignmentOf, configText, lines, textOf } from './config-text.ts';

/** Where the master's own settings are kept, under their path below /etc; on the same file system. */
const ASIDE = '/etc/totaldeploy-master';

/** Names of wired cards as kernel, udev, biosdevname and we give them, with their aliases and VLANs; patterns too. */
const CARD = /^(?:eth|en|em\d|p\d+p\d|lan\d|e?\*)/;

export function isCardName(name: string): boolean {
  return CARD.test(name);
}

export async function putAside(root: SystemRoot, path: string): Promise<void> {
  await makeAside(root);
  await root.move(path, asidePath(path));
}

/** The first copy stays: it is the master's. */
export async function keepCopy(root: SystemRoot, path: string): Promise<void> {
  await makeAside(root);
  const copy = asidePath(path);
  if ((await root.exists(copy)) || !(await root.exists(path))) return;
  await root.write(copy, await root.read(path), { mode: 0o600 });
}

/** Settings may hold passwords of networks. */
async function makeAside(root: SystemRoot): Promise<void> {
  await root.makeDir(ASIDE, { mode: 0o700 });
}

function asidePath(path: string): string {
  return `${ASIDE}${path.replace(/^\/etc/, '')}`;
}

/** netplan: whole files, for all of them are one document; wireless networks alone stay. */
export async function setAsideNetplan(root: SystemRoot): Promise<{ renderer: string | undefined }> {
  let renderer: string | undefined;
  for (const path of await filesIn(root, { folder: '/etc/netplan', end: '.yaml' })) {
    const text = await configText(root, path);
    renderer = /^\s*"?renderer"?\s*:\s*["']?([A-Za-z]+)/m.exec(text)?.[1] ?? renderer;
    if (/^\s*["']?(?:ethernets|nm-devices)["']?\s*:/m.test(text) || /["']ethernets["']/.test(text)) {
      await putAside(root, path);
    }
  }
  return { renderer };
}

/** Connections of NetworkManager for a wired card, and the ifcfg files its older versions read. */
export async function setAsideConnections(root: SystemRoot): Promise<void> {
  for (const path of await filesIn(root, { folder: '/etc/NetworkManager/system-connections' })) {
    const type = assignmentOf(await configText(root, path), 'type');
    if (type === 'ethernet' || type === '802-3-ethernet') await putAside(root, path);
  }
  await setAsideIfcfg(root, '/etc/sysconfig/network-scripts');
}

/** systemd.network files that match a wired card, or any. */
export async function setAsideNetworkd(root: SystemRoot): Promise<void> {
  for (const path of await filesIn(root, { folder: '/etc/systemd/network', end: '.network' })) {
    const text = await configText(root, path);
    const names = assignmentOf(text, 'Name')?.split(/\s+/);
    const isCard = names
      ? names.some(isCardName)
      : !/^(?:bridge|bond|vlan|wlan|wireguard)$/.test(assignmentOf(text, 'Type') ?? '');
    if (isCard) await putAside(root, path);
  }
}

/** ifcfg files of wired cards, with their routes and rules. */
export async function setAsideIfcfg(root: SystemRoot, folder: string): Promise<void> {
  for (const file of await root.list(folder)) {
    const name = /^ifcfg-(.+)$/.exec(file)?.[1];
    if (name === undefined || name === 'lo' || /~$|\.(?:bak|orig|rpmsave|rpmnew)$/.test(name)) continue;
    const text = await configText(root, `${folder}/${file}`);
    const device = assignmentOf(text, 'DEVICE') ?? name;
    if (!isCardName(device) && assignmentOf(text, 'TYPE')?.toLowerCase() !== 'ethernet') continue;
    for (const each of [
      file,
      `route-${name}`,
      `route6-${name}`,
      `rule-${name}`,
      `ifroute-${name}`,
      `ifrule-${name}`,
    ]) {
      if (await root.exists(`${folder}/${each}`)) await putAside(root, `${folder}/${each}`);
    }
  }
}

/** interfaces(5) and what it sources: the stanzas of wired cards go, the file as it was is kept. */
export async function setAsideInterfaces(root: SystemRoot): Promise<void> {
  const main = '/etc/network/interfaces';
  for (const path of [main, ...(await filesIn(root, { folder: '/etc/network/interfaces.d' }))]) {
    const text = await configText(root, path);
    const without = withoutCards(text);
    if (without === text) continue;
    await keepCopy(root, path);
    await root.write(path, without);
  }
}

const STANZA =
  /^\s*(iface|mapping|auto|allow-\S+|source|source-directory|rename|no-auto-down|no-scripts)\s+(.*)$/;

/** The text of an interfaces(5) file without the stanzas of wired cards; continued lines stay together. */
export function withoutCards(text: string): string {
  const kept: string[] = [];
  let dropping = false;
  for (const line of lines(text.replace(/\\\n/g, '\\\u0000'))) {
    const [, kind = '', rest = ''] = STANZA.exec(line) ?? [];
    const names = rest.trim().split(/\s+/);
    if (kind === 'auto' || kind.startsWith('allow-')) {
      dropping = false;
      const others = names.filter((name) => !isCardName(name));
      if (others.length === names.length) kept.push(line);
      else if (others.length > 0) kept.push(`${kind} ${others.join(' ')}`);
      continue;
    }
    if (kind !== '') dropping = kind === 'iface' && isCardName(names[0] as string);
    // Comments and empty lines between stanzas are people's.
    if (!dropping || /^\s*(?:#|$)/.test(line)) kept.push(line);
  }
  return textOf(kept).replaceAll('\\\u0000', '\\\n');
}

const MAC = /\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/gi;
/** Every place where a system may have tied its settings to a card of the master. */
const SETTINGS_FOLDERS = [
  '/etc/netplan',
  '/etc/NetworkManager/system-connections',
  '/etc/systemd/network',
  '/etc/network',
  '/etc/network/interfaces.d',
  '/etc/sysconfig/network-scripts',
  '/etc/sysconfig/network',
];

/**
 * Puts this computer's cards in the place of the master's where its settings name cards by address.
 *
 * @returns why nothing was done.
 */
export async function takeOverCards(root: SystemRoot, macs: readonly string[]): Promise<string | undefined> {
  const texts = new Map<string, string>();
  for (const folder of SETTINGS_FOLDERS) {
    for (const path of await filesIn(root, { folder })) texts.set(path, await configText(root, path));
  }
  const found = [...texts.values()].flatMap((text) => text.match(MAC) ?? []).map((mac) => mac.toLowerCase());
  const masters = [...new Set(found)].filter(
    (mac) => !macs.includes(mac) && !/^(?:00:){5}00$|^(?:ff:){5}ff$/.test(mac),
  );
  if (masters.length > macs.length) {
    return `the master's settings name ${masters.length} card${masters.length === 1 ? '' : 's'} by address, and this computer has only ${macs.length}`;
  }
  for (const [path, text] of texts) {
    const own = text.replace(MAC, (mac) => {
      const taken = macs[masters.indexOf(mac.toLowerCase())];
      return taken === undefined ? mac : mac === mac.toUpperCase() ? taken.toUpperCase() : taken;
    });
    if (own === text) continue;
    await keepCopy(root, path);
    await root.write(path, own);
  }
  return undefined;
}

async function filesIn(
  root: SystemRoot,
  { folder, end = '' }: { folder: string; end?: string },
): Promise<string[]> {
  const paths: string[] = [];
  for (const name of await root.list(folder)) {
    const path = `${folder}/${name}`;
    if (name.endsWith(end) && (await root.stat(path))?.isFile()) paths.push(path);
  }
  return paths;
}
