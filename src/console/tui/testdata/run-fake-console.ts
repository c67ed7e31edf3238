/** Shows the console's pages with made-up computers: `run-fake-console.ts COMPUTERS DEPLOYED [CHANGES_PER_SECOND]`. */
import { silentLog } from '../../../lib/log.ts';
import { runConsoleTui } from '../console-tui.ts';
import { FakeConsole, fakeDeployment, fakeTarget } from './fake-console.ts';

const [computers = 24, deployed = 0, changes = 0] = process.argv.slice(2).map(Number);
const fake = new FakeConsole({ computers, jobs: deployed > 0 ? [fakeDeployment(deployed)] : [] });
if (changes > 0) {
  let step = 0;
  setInterval(() => {
    step += 1;
    const targets = Array.from({ length: deployed }, (_, i) => fakeTarget(i + 1, (step % 100) / 100));
    fake.jobs = [fakeDeployment(deployed, { targets })];
  }, 1000 / changes).unref();
}
if (process.env.FAKE_CRASH === '1') {
  const { call } = fake;
  fake.call = (name, params) => {
    if (name === 'job.history')
      setTimeout(() => {
        throw new Error('a crash on purpose');
      });
    return call(name, params);
  };
}
const left = await runConsoleTui({
  api: fake,
  input: process.stdin,
  output: process.stdout,
  term: process.env.TERM ?? '',
  signal: new AbortController().signal,
  logger: silentLog,
  logPath: '/var/lib/totaldeploy/console.log',
});
process.stdout.write(left ? 'left by the person\n' : 'the terminal is gone\n');
