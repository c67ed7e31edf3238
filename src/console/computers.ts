import type { ControlConnection } from '../control/control-connection.ts';
import type { Machine } from '../schema/machine.ts';
import type { PlannedComputer } from './computer-plan.ts';

/** A computer that is connected now. */
export interface ConnectedComputer {
  computerId: string;
  role: 'agent' | 'backup';
  address: string;
  machine: Machine;
  /** ISO 8601, UTC. */
  connectedAt: string;
  connection: ControlConnection;
  /** The job it works for, or undefined when it waits. */
  jobId: string | undefined;
}

/** A computer that was connected once and is not now. */
export interface KnownComputer {
  computerId: string;
  name: string;
  macs: string[];
  model: string;
  /** What its agent was when it was here last. */
  role: string;
  /** When it last connected, ISO 8601, UTC. */
  lastSeen: string;
}

export interface RegistryHandlers {
  onConnected?(computer: ConnectedComputer): void;
  onDisconnected?(computer: ConnectedComputer, reason: string): void;
}

/** The computers connected to this console, by computer id; a computer is here at most once. */
export class ComputerRegistry {
  readonly #computers = new Map<string, ConnectedComputer>();
  readonly #handlers = new Set<RegistryHandlers>();

  subscribe(handlers: RegistryHandlers): () => void {
    this.#handlers.add(handlers);
    return () => this.#handlers.delete(handlers);
  }

  /** Adds a computer; an older connection of the same one is closed: after a restart it may look alive for long. */
  add(connection: ControlConnection): ConnectedComputer {
    this.#computers.get(connection.computerId)?.connection.close('the computer connected again');
    const computer: ConnectedComputer = {
      computerId: connection.computerId,
      role: connection.hello.role,
      address: connection.address,
      machine: connection.hello.machine,
      connectedAt: new Date().toISOString(),
      connection,
      jobId: undefined,
    };
    this.#computers.set(computer.computerId, computer);
    connection.onClose((reason) => {
      // The old connection's end must not remove the new one.
      if (this.#computers.get(computer.computerId) === computer) this.#computers.delete(computer.computerId);
      for (const handlers of this.#handlers) handlers.onDisconnected?.(computer, reason);
    });
    if (!connection.closed) for (const handlers of this.#handlers) handlers.onConnected?.(computer);
    return computer;
  }

  get(computerId: string): ConnectedComputer | undefined {
    return this.#computers.get(computerId);
  }

  /** By computer id or by any of its MAC addresses, in any common spelling. */
  find(name: string): ConnectedComputer | undefined {
    const mac = normalMac(name);
    return (
      this.#computers.get(name) ??
      [...this.#computers.values()].find((one) => one.machine.nics.some((nic) => nic.mac === mac))
    );
  }

  list(): ConnectedComputer[] {
    return [...this.#computers.values()];
  }
}

/** As a plan of names and addresses knows it. */
export function plannedComputer({
  computerId,
  machine,
}: Pick<ConnectedComputer, 'computerId' | 'machine'>): PlannedComputer {
  const macs = machine.nics.map((nic) => nic.mac).sort();
  return { label: computerLabel(computerId), macs, serial: machine.serial };
}

/** `AA-BB-…` or `AABB…` as `aa:bb:…`; anything else unchanged. */
export function normalMac(text: string): string {
  const digits = text.replace(/[:.-]/g, '').toLowerCase();
  return /^[0-9a-f]{12}$/.test(digits) ? digits.match(/../g)!.join(':') : text;
}

/** Maker and model in one. */
export function modelText({ vendor, model }: Pick<Machine, 'vendor' | 'model'>): string {
  return [vendor, model].filter((part) => part !== '').join(' ');
}

/** How a computer is called in tables and events: its first MAC address, which is on its label. */
export function computerLabel(computerId: string): string {
  return computerId.split('/').at(-1) || computerId;
}
