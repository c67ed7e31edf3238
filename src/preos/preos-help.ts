import type { HelpTexts } from '../lib/tui/page.ts';

/** F1 of the Pre-OS' own pages, in words of the people who stand before the computer. */
export const PREOS_HELP: HelpTexts = {
  'preos.menu': `This computer was started from TotalDeploy's boot media. Nothing on its disks is changed until you say so.

# Back up this computer
Takes an image of a disk, the master image, and stores it at the console, on another disk or in a shared folder.

# Deploy agent
Waits until the console deploys an image to this computer, or until you choose one that the console offers here.

# Console
Makes this computer the console: it holds the images and deploys them to other computers.

# Network settings
This computer's address: automatic (DHCP) or static, the network card and the VLAN.

# Shell
A command line for looking further; leave it with "exit".

Choose with the arrow keys and Enter, or press the number. The same menu is on every screen and serial line of this computer: the first answer counts.`,

  'preos.status': `This page shows what this computer does now. It keeps itself up to date; nothing needs to be pressed.

# Keys
F2 changes the network settings, F3 opens a command line (leave it with "exit"), F4 restarts the computer, F9 or F12 opens the menu.

# Problems
A line that begins with ! says what went wrong and what to do. What may mend itself, such as a missing network, is tried again.

# While an image is written
Do not switch the computer off: its disk cannot start until the end. If it happens, deploy again.

# Offered deployments
When the console offers deployments, they are listed. Choose one with the arrow keys and Enter. You see which disk would be overwritten and confirm it before anything happens.`,

  'preos.offer': `The console offers this deployment to people at this computer.

Look at the disk: everything on it is overwritten. To confirm that it is the right one, type its size exactly as it is shown. Some consoles ask for a PIN as well; the administrator knows it.

F2 starts. The computer then receives the image, by itself or together with others, and does afterwards what the deployment says, usually shut down.`,

  'preos.network': `The network connects this computer to the console or to the shared folder with the images.

# Automatic (DHCP)
The network gives the address. This is right almost everywhere, and it is applied by itself when nobody presses a key.

# Static
Needed where there is no DHCP server. Ask the network's administrator for a free address, the subnet mask, and the gateway if the console is in another network.

# Network card
With several cards choose the one with the cable; "connected" or a speed is shown for it.

# VLAN
Only where the switch port carries several networks: the number of the one to use. Otherwise leave it empty.

The lower part shows each card's MAC address, whether it has a link, and its address.`,

  'backup.disk': `Choose the disk to back up; this computer's boot medium is not listed.

The partitions are listed with what is on them. To back up the whole disk leave all of them chosen. "System partition only" chooses those a computer needs to start: boot and system partitions.

Only blocks in use are stored. Partitions that are encrypted or of an unknown kind are stored whole.`,

  'backup.destination': `Where the image is stored.

# Console
The image is sent to the console and can be deployed from there at once. Consoles on this network are found by themselves; if yours is not, type its address.

# Disk of this computer
A second disk or a USB disk. The partition must have a file system with room for the image; it cannot be on the disk that is backed up.

# Shared folder (SMB, NFS)
A folder of a server or another computer: //server/share/folder for Windows shares (SMB), server:/folder for NFS. For SMB give a user who may write there.

F4 shows the folders there.`,

  'backup.options': `# Image name
How the image is called at the console and on disks. An existing image is never overwritten.

# Comment
Whatever helps to know the image later.

# Compression level
1 is fastest, 19 smallest. 3 is right almost always: higher levels save a few percent and take several times as long.

# Password, split size
Not applied by this version. A backup does not start while they are filled in.

# Check after writing
Reads the stored image once more and compares every block. At the console every image is verified while it arrives.`,

  'backup.summary': `What will be done. Nothing on the disk that is backed up is changed.

F2 starts the backup. Esc goes back to change something.`,
};
