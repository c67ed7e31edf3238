/** The console's pages on this terminal with images to deploy; says at the end what it was asked to deploy. */
import { silentLog } from '../../../../lib/log.ts';
import { runConsoleTui } from '../../console-tui.ts';
import { fakeDeployment } from '../../testdata/fake-console.ts';
import { wizardConsole } from './wizard-console.ts';

const console = wizardConsole({
  answers: {
    deploy: () => {
      console.jobs = [fakeDeployment(2, { id: 'job-1' })];
      return { jobId: 'job-1' };
    },
  },
});
await runConsoleTui({
  ...{ api: console, input: process.stdin, output: process.stdout, term: process.env.TERM ?? '' },
  ...{ signal: new AbortController().signal, logger: silentLog },
});
const asked = console.calls.find((call) => call.name === 'deploy')?.params;
process.stdout.write(`asked for ${JSON.stringify(asked)?.slice(0, 200)}\n`);
