import type { HelpTexts } from '../../../lib/tui/page.ts';

const MOVING = `# Moving through the wizard
F8 or Enter goes to the next page, F7 back; nothing that was entered is lost. A page that has a problem says so where it is, and Next stays there. Esc leaves the wizard. On a terminal without function keys press Esc and then a digit: Esc 8 is F8.`;

const LISTS = `# Lists
A adds, E or Enter edits, D or Delete deletes the line under the cursor.`;

/** F1 on the pages of the deployment wizard and of template deployment. */
export const WIZARD_HELP: HelpTexts = {
  'wizard-targets': `# Select target computers
The computers that are connected to this console and wait. Space selects one, A all or none. A computer must have been started from the network or from boot media before it is listed.

Busy computers belong to another job. A selected computer that vanishes stays in the list as "gone": the deployment waits for it for a while, and it is named before the start.

F6 adds computers that are switched off: the console knows those that were connected once. They are waited for, and woken first when F5 says so.

F5 sets how the deployment starts: with all computers that are connected then, when so many are there, after waking them, and whether later ones may join.

${MOVING}`,
  'wizard-known': `# Add known computers
Computers that were connected to this console once and are not now, with the time they were seen last. Space selects one, A all or none; F2 adds them to the targets of the deployment. They can be woken at its start (F5 on the page before), or be switched on by hand.`,
  'wizard-start-options': `# Start options
Deploy to: the computers selected in the list, or all that are connected at the start. Saved templates always take all that are connected.

Wait for: the deployment starts when so many computers are there, at the latest after the time below it. 0 starts at once.

Wake them: sends wake-on-LAN packets first. The computers' firmware must allow that.

Later ones: when all connected computers are deployed, one that connects while the deployment runs joins it and gets what it missed at the end.

All or nothing: when one computer cannot be deployed (no fitting disk, for example), none is written.

Rate at most: keeps a part of the network free for others. 0 finds the best rate by itself.`,
  'wizard-image': `# Master image selection
The image that is written to the targets. The list has the images of all places that the console knows; one that cannot be used says why when the cursor is on it. Enter chooses it and goes on.

F4 chooses an image file from the console's computer. An image that is spread over several media has to be copied to one folder first, all parts together.

F5 adds a network share (with user name and password) or a USB disk. The console remembers it. Images on the console's own disk are the best choice: then they cross the network once.

Image password: only for images that are protected by one. Tab goes there.

${MOVING}`,
  'wizard-partitions': `# Disk/partition selection
Which disk of the image is deployed, and which of its partitions. One disk can be deployed at a time; Left and Right change it. The system partition and the active partition are selected at first.

The boot area (master boot record, partition table and loader) is always deployed.

If the operating system and its loader are on different partitions, both must be deployed together; otherwise the targets may not start. The page warns when one of them is left out.

${MOVING}`,
  'wizard-target-disk': `# Target disk and partition selection
Which disk of each target is overwritten. By default it is the first one of the BIOS (0x80). The disk that a computer was started from, read-only disks and, unless named, removable ones are never taken.

The fields below narrow it down: a disk must match all that are filled in. "The only disk" is the safest choice when targets may have several disks: those that do are left out, with the reason.

Free disk space: what becomes of the room that a bigger disk has.

One partition: when a single partition is deployed, it can replace a partition of the target. This version does not apply that and refuses to start, because it would clear the disk.

${MOVING}`,
  'wizard-users': `# User accounts
Local user accounts that are created on the targets besides those of the master system, for example one administrator account for all of them. An account belongs to the Administrators, Power Users or Users group. Passwords must meet the password policy of the master computer.

In a saved template passwords are sealed: only this console can open them.

${LISTS}

${MOVING}`,
  'wizard-names': `# Computer names and domain/workgroup
By a pattern: {n} counts from the first number, {n:03} writes 001, {mac} is the end of the MAC address, {serial} the serial number. Names have up to 15 letters, digits and dashes.

From a table: one line for each computer, found by the MAC address of any of its cards. The same table holds the addresses of the network page. A CSV file has the columns mac, name, address, prefix and gateway.

For a domain, name and password of an administrator who may join computers are needed. A password left empty is asked for when the deployment starts.

${MOVING}`,
  'wizard-network': `# Network settings
As on the master system, from a DHCP server, from a range of static addresses (given out one a computer, from the first to the last), or from the table by MAC address.

DNS servers and the DNS suffix are optional.

${MOVING}`,
  'wizard-table': `# Table of computers
One line for each computer: MAC address, name, address, subnet mask and gateway; all but the MAC address may be left empty.

Import reads a CSV file from the console's computer with the columns mac, name, address, prefix and gateway; a first line with these words may change their order. Lines for computers that are in the table already replace them.

${LISTS}`,
  'wizard-sid': `# Security identifiers
Windows gives every computer a unique security identifier (SID). Computers made from one image would all have the same one, so a new one is generated for each target.

Keep it only when no other computer of the same workgroup or domain has it, or when the image is deployed to the computer that it was taken from.

${MOVING}`,
  'wizard-files': `# Transferring files
Files and folders that are copied to all targets after deployment, such as installation files: from the console's computer or from a network share. With "Execute file" a file is executed after the deployment, with the given arguments.

${LISTS}

${MOVING}`,
  'wizard-applications': `# Executing applications
Service applications that are in the master image already and are executed on the targets after deployment.

${LISTS}

${MOVING}`,
  'wizard-drivers': `# Custom hard-disk driver
When targets have other disk controllers than the master computer, Windows needs the right driver to start. Give the folder or the .inf file of the driver.

${LISTS}

${MOVING}`,
  'wizard-after': `# Options after deployment
What the targets do when the deployment and everything planned in this wizard is completed. They shut down unless something else is chosen.

${MOVING}`,
  'wizard-summary': `# Summary
What would happen if the deployment started now. Settings that this version does not apply are named, so nothing is left out silently.

Save deployment settings: keeps all of it as a template under a name, to be used again with Template deployment. Offered templates can be started by people at the targets (custom deployment mode).

F2 starts. The question before it names how many disks are overwritten; for more than one computer their number has to be typed. F3 only saves.

${MOVING}`,
  templates: `# Template deployment
The templates saved in the template folder (Tools, Set template path). Enter shows a summary; from there the template is deployed to all computers that are connected.

E opens the wizard with its settings, C copies it, D deletes it. O offers it on the screens of waiting targets, where people can start it themselves (custom deployment mode), or takes that back.

A broken template says what is wrong with it, with the place in its file; edit it, or repair the file.`,
  'template-summary': `# Template summary
What the template would do now. F2 starts it on all connected computers, after a question that names how many disks are overwritten; for more than one computer their number has to be typed. F5 looks again which computers are there.`,
};
