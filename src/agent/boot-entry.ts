import type { DiskLayout } from '../schema/disk-layout.ts';
import type { Machine } from '../schema/machine.ts';

/** Type GUID of an EFI system partition (UEFI 2.10, table 5-7) and its MBR type. */
const ESP_TYPES: readonly string[] = ['C12A7328-F81F-11D2-BA4B-00A0C93EC93B', 'ef'];

/** Says what may keep a deployed disk from starting on this computer; nothing is changed. */
export async function checkBootEntry(
  _diskPath: string,
  layout: DiskLayout,
  machine: Pick<Machine, 'firmware'>,
): Promise<string[]> {
  if (machine.firmware !== 'uefi') return [];
  const hasEsp = layout.partitions.some((partition) => ESP_TYPES.includes(partition.typeId));
  return hasEsp ? [] : ['The image has no EFI system partition: this UEFI computer will not start from it'];
}
