/** How this computer gets its address, and the card of a static one; an empty card leaves it open. */
export interface HostAddress {
  /** `dhcp`, or `ADDRESS/LENGTH[,GATEWAY[,DNS…]]` as in td.ip; empty stands for that of the boot parameters. */
  address: string;
  card: string;
}

/** The network of a computer that the Pre-OS rules over. */
export interface HostNetwork {
  now(): HostAddress;
  /** Whether these settings would change nothing. @throws TdError `usage` when they are none. */
  isNow(wanted: HostAddress): boolean;
  /** Ends the role, sets the network up anew and starts the role again. @throws TdError `usage`. */
  change(wanted: HostAddress): void;
}
