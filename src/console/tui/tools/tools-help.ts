import type { HelpTexts } from '../../../lib/tui/page.ts';

/** F1 on the pages of the Tools tab. */
export const TOOLS_HELP: HelpTexts = {
  export: `# Boot media
What is made here starts computers that trust this console and no other. It holds this console's site key: whoever has it can talk to the console as an agent.

# Where it goes
A new file or folder on the computer of the console; F4 browses. USB disks and shares can be used once they are in Image storage. Nothing that is there already is overwritten, and nothing half is left when the export fails or is stopped.

# Console address
Computers find this console by themselves in their own network. In other networks they need its address here.

# Started from the network
A console that was started by PXE fetches the boot files from the same boot server once; it has to offer the whole exported folder.`,
  'usb-stick': `# Make USB stick
Lists the USB sticks that are free: not mounted, and not the one this console was started from. A stick that is missing is in use, is write-protected, or is no USB disk.

Everything on the stick is lost. Look at model, serial number and contents, then type the size that is shown. After writing, all of it is read back and compared: a stick that does not keep its data is named.

A stick that was stopped half-way is empty, and can be written again. F4 makes an image file instead, to be written on another computer.`,
  'check-image': `# Check image
Reads an image and compares every piece with its checksum. The quick check looks at the structure and a sample of the data: it takes seconds, and can miss damage.

A damaged image is not deployed any further: copy it from its source again, or take it from the master again. The result names the partitions that are touched.

Esc stops a check; the image is never changed.`,
  log: `# View log
Everything that happened, the newest at the end; new lines appear by themselves while the last line is in view.

F3 shows one job only, F4 one computer, F5 lines with a text, F6 warnings and errors. The filters work together. Enter shows a line in full, F2 saves all lines that the filters let through into a text file.`,
  'template-path': `# Set template path
The folder in which templates are saved and looked for. It can be a folder that is copied, backed up or kept under version control: each template is one file.

The folder has to exist, and the console needs the right to write to it. Templates are not moved from the old folder.`,
  'image-storage': `# Image storage
Folders, USB disks, Windows shares (SMB) and NFS exports with images. The console connects them when it starts and looks after them: one that is down is shown with its reason and tried again, and nothing waits for it.

Images of all places can be deployed. Where two places have an image of the same name, the second is shown as place/name.

F6 chooses where new images go. Removing a place forgets it and its password; the images in it stay.

# A share does not work
Is the server on, and reached from here? Do name and password fit? Has the user the right to read, and for new images to write?

A USB disk is added by its partition, e.g. /dev/sdb1, and is found again whatever the system calls it next time.`,
  'pxe-server': `# PXE server
This version has no PXE server of its own: computers start from the network by one that you run. The page has what to set there.`,
  licences: `# Licences
Without a licence file the number of computers is not limited.

With one, each computer that is deployed to counts once, however often. A server's system needs a server licence, every other one a workstation licence; a server licence may stand in for a workstation one, by itself or only when asked (F6). F4 loads a licence file.`,
  'web-page': `# Web page
Shows the computers and the running job in a browser, live. It is served over HTTPS with the console's own certificate, which browsers do not know: compare its fingerprint, then accept it.

Without a password the page only shows. Who signs in with the password can also cancel jobs. Nobody sees the password again: it is kept as a hash.`,
  'console-network': `# Network of this console
The card over which computers reach the console and images are sent. With several cards choose the one of the network with the targets.

In the Pre-OS the address is set here too, and the console starts again with what was changed; while a job runs that is refused. On a computer with a system of its own the address is set there, and a new card is used from the next start of the console.

Targets find the console again by themselves, unless their media have a fixed address of it.`,
  pin: `# PIN at targets
Templates can be offered on the screens of waiting computers. With a PIN nobody starts one there without knowing it. It is kept as a hash, and cannot be shown again.`,
};
