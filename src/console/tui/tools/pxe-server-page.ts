import { TextPage } from '../../../lib/tui/text-page.ts';
import type { ConsoleStatus } from '../../console-status.ts';

/** What to set at the PXE server of the network: this version has none of its own. */
export function pxeServerPage({ address, interface: card }: ConsoleStatus): TextPage {
  const network = address.replace(/\d+$/, '0');
  return new TextPage(
    'PXE server',
    `# This version serves no PXE itself
Computers start from the network by a PXE server of yours, on Windows or Linux. This page has the settings to copy.

# 1. The files
Tools, Export PXE Files. Make that folder the root of the TFTP server; it has to stay as it is. The same folder by HTTP on port 80 of the same computer is used when it is there, and is faster.

# 2. Boot files
BIOS            boot/pxeboot.com
UEFI            shimx64.efi

# 3. Your DHCP server knows the boot server
Option 66 (boot server)   ADDRESS OF THE TFTP SERVER
Option 67 (boot file)     as above, by the computer's firmware

# 4. Or dnsmasq beside a DHCP server that stays as it is
port=0
interface=${card}
bind-interfaces
dhcp-range=${network},proxy,255.255.255.0
enable-tftp
tftp-root=/srv/tftp
pxe-service=x86PC,"TotalDeploy",boot/pxeboot.com
pxe-service=X86-64_EFI,"TotalDeploy",shimx64.efi
pxe-service=BC_EFI,"TotalDeploy",shimx64.efi

Then give the TFTP server's address when you export the files. Change the network and the folder to yours; here they are those of this console.

# 5. tftpd32 on Windows
Current Directory: the exported folder. TFTP server on. DHCP: Boot File boot/pxeboot.com (UEFI: shimx64.efi), a free range of addresses, mask and router of your network.`,
    { helpTopic: 'pxe-server' },
  );
}
