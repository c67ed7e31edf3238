import { z } from 'zod';

const text = z.string().max(256);

export const machineDiskSchema = z.strictObject({
  /** Kernel name such as `sda`, `nvme0n1`; it may change between boots. */
  name: z.string().regex(/^[A-Za-z0-9!._-]{1,64}$/),
  sizeBytes: z.number().int().min(0),
  logicalSectorBytes: z.number().int().min(512).max(65_536),
  physicalSectorBytes: z.number().int().min(512).max(65_536),
  model: text,
  serial: text,
  wwn: text,
  bus: z.enum(['ata', 'nvme', 'scsi', 'usb', 'virtio', 'mmc', 'other']),
  rotational: z.boolean(),
  removable: z.boolean(),
  readOnly: z.boolean(),
  /** The medium this computer was booted from; never a target. */
  bootMedium: z.boolean(),
});

export const machineNicSchema = z.strictObject({
  name: text,
  /** Lower case, colons. */
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
  link: z.boolean(),
  /** Mbit/s; 0 when the driver does not say. */
  speedMbit: z.number().int().min(0),
  /** The largest IP packet it sends and takes; 1500 where nobody says. */
  mtuBytes: z.number().int().min(0).max(65_536).exactOptional(),
  addresses: z.array(text).max(32),
});

/** What a computer says of itself when it connects. */
export const machineSchema = z.strictObject({
  /** SMBIOS UUID, lower case; empty when the firmware has none. */
  uuid: text,
  vendor: text,
  model: text,
  serial: text,
  firmware: z.enum(['bios', 'uefi', 'unknown']),
  secureBoot: z.boolean(),
  memoryBytes: z.number().int().min(0),
  cpu: text,
  cpuCount: z.number().int().min(1),
  disks: z.array(machineDiskSchema).max(256),
  nics: z.array(machineNicSchema).max(64),
});

export type MachineDisk = z.infer<typeof machineDiskSchema>;
export type MachineNic = z.infer<typeof machineNicSchema>;
export type Machine = z.infer<typeof machineSchema>;

/**
 * The key a computer is known by across boots: its SMBIOS UUID and its lowest MAC, since boards with
 * a shared or empty UUID exist.
 */
export function computerId(machine: Machine): string {
  const macs = machine.nics.map((nic) => nic.mac).sort();
  return `${machine.uuid || 'no-uuid'}/${macs[0] ?? 'no-mac'}`;
}
