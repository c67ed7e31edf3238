import type { HelpTexts } from '../../lib/tui/page.ts';

/** F1 on the console's own pages. */
export const MAIN_HELP: HelpTexts = {
  operations: `# Operations
From here images are deployed, and here you see who is there and what runs.

# Deployment solution
Asks, page by page, what to deploy, to which computers and with which settings, then starts. The settings can be saved as a template.

# Template deployment
Deploys a saved template to the computers that are connected.

# Connected computers
Every computer that was started from the network or from a medium of this console and found it. A computer that is missing has not started the agent, is in another network, or was started from a medium of another console: its own screen says which. Enter shows everything about a computer; there it can be shut down or restarted.

# Keys
Up and Down go through the menu, the running jobs and the computers. Tab changes between Operations and Tools. On a terminal without function keys press Esc and then a digit: Esc 1 is F1, Esc 0 is F10.`,
  tools: `# Tools
Boot media, images, logs and the settings of this console. Choose with Up and Down, open with Enter.`,
  computer: `# Computer
What the agent on this computer found: its cards, its disks, its firmware.

F6 sends wake-on-LAN packets, F7 shuts it down and F8 restarts it. A computer that is in a running job fails in that job when it is shut down; its disk stays unfinished and does not start until it is deployed again.`,
  wake: `# Wake computers
Sends wake-on-LAN packets to computers that are switched off. The list has those that were connected once and are not now; Space selects one, A all or none. F4 wakes others by their MAC addresses. Wake-on-LAN has to be allowed in their firmware, and the network has to carry broadcasts to them.`,
  job: `# Deployment
One line for each computer; the line above sums up. Those that failed come first.

A computer that is slow does not hold the others: they finish, and it gets the rest by itself. What slows it down is said in the last lines when the cursor is on it.

F7 cancels the computer under the cursor, F8 the whole job. A cancelled computer's disk stays unfinished and does not start. F6 deploys again to those that failed. At the end F2 shows the report, which can be saved.`,
  jobs: `# Jobs
All backups and deployments this console remembers, the newest first. Enter opens a job or, for older ones, its report.`,
  report: `# Report
What was done to which computer, how long it took and what went wrong. F2 saves it at the console: as a page for browsers with a picture of the run over time, as text, or as JSON for other programs.`,
};
