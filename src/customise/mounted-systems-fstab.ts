/** What a deployed system mounts by itself at its start. */
export interface FstabEntry {
  /** As it is written, e.g. `UUID=…` or `/dev/mapper/vg-home`. */
  source: string;
  /** Where, from the system's own root. */
  path: string;
  /** `subvol=…` or `subvolid=…` of btrfs; empty for none. */
  subvolume: string;
}

/** A partition or logical volume by all the names that an fstab may call it. */
export interface VolumeNames {
  uuid: string;
  label: string;
  /** Of the partition; empty for a logical volume. */
  partUuid: string;
  partLabel: string;
  /** Of the partition; 0 for a logical volume. */
  number: number;
  /** Other paths, e.g. `/dev/mapper/vg-home`. */
  paths: readonly string[];
}

const ENTRIES_MAX = 64;
const LOCAL_TYPES = new Set(['auto', 'ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'vfat', 'msdos']);

/** The local filesystems of an fstab(5) beside the root, those above others first. */
export function parseFstab(text: string): FstabEntry[] {
  const entries: FstabEntry[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.trim().startsWith('#')) continue;
    const [source = '', path = '', type = '', options = ''] = line.trim().split(/\s+/).map(unescapeOctal);
    if (!path.startsWith('/') || /^\/+$/.test(path) || !LOCAL_TYPES.has(type)) continue;
    const subvolume = options.split(',').find((option) => /^subvol(?:id)?=/.test(option)) ?? '';
    entries.push({ source: source.replaceAll('"', ''), path, subvolume });
    if (entries.length >= ENTRIES_MAX) break;
  }
  return entries.sort((a, b) => depthOf(a.path) - depthOf(b.path));
}

/** The volume that an entry names; undefined when it is none of these. */
export function volumeOf<Volume extends VolumeNames>(
  source: string,
  volumes: readonly Volume[],
): Volume | undefined {
  const [, tag, value] =
    /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.+)$/.exec(source) ??
    /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.+)$/.exec(source) ??
    [];
  if (tag !== undefined && value !== undefined) {
    const nameOf = NAMES[tag.toLowerCase()]!;
    return volumes.find((volume) => nameOf(volume).toLowerCase() === value.toLowerCase());
  }
  // A single disk was deployed: its letter on the master says nothing.
  const number = Number(
    /^\/dev\/(?:[hsv]d[a-z]+|xvd[a-z]+|(?:nvme\d+n|mmcblk)\d+p)(\d+)$/.exec(source)?.[1] ?? 0,
  );
  return volumes.find((volume) => volume.paths.includes(source) || (number > 0 && volume.number === number));
}

const NAMES: Record<string, (volume: VolumeNames) => string> = {
  uuid: (volume) => volume.uuid,
  label: (volume) => volume.label,
  partuuid: (volume) => volume.partUuid,
  partlabel: (volume) => volume.partLabel,
};

function depthOf(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
