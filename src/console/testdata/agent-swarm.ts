import { type ControlClient, connectControl } from '../../control/control-client.ts';
import { testMachine } from '../../control/testdata/test-machine.ts';
import { silentLog } from '../../lib/log.ts';
import type { Machine } from '../../schema/machine.ts';

// A program: many computers in one process, each with a TLS connection of its own. They say yes to everything, send progress
// once a second, and are done when they are told `end` on standard input.
//   node agent-swarm.ts COUNT HOST PORT CERTIFICATE-SHA256 SITE-KEY
const [count, host, port, certificateSha256, siteKey] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];
const AT_A_TIME = 25;
const TOTAL_BYTES = 10_000_000_000;

function machineOf(number: number): Machine {
  const machine = testMachine(1);
  const digits = number.toString(16).padStart(4, '0');
  const mac = `02:00:00:00:${digits.slice(0, 2)}:${digits.slice(2)}`;
  return {
    ...machine,
    uuid: `00000000-0000-4000-8000-00000000${digits}`,
    serial: `SN${number}`,
    nics: [{ ...machine.nics[0]!, mac }],
  };
}

const ends: (() => void)[] = [];
let lost = 0;
let deploying = 0;

function behave(client: ControlClient): void {
  client.onClose((reason) => {
    lost += 1;
    console.log(`lost ${lost}: ${reason}`);
  });
  client.onMessage((order) => {
    if (order.type === 'preflight') {
      client.send({ type: 'preflight-result', jobId: order.jobId, ok: true, reason: '', disk: 'sda Disk' });
    } else if (order.type === 'deploy') {
      const { jobId, image } = order.deployment;
      client.send({ type: 'state', jobId, step: 'receiving', detail: '' });
      let doneBytes = 0;
      const timer = setInterval(() => {
        doneBytes += 60_000_000;
        client.send({
          type: 'progress',
          jobId,
          doneBytes,
          totalBytes: TOTAL_BYTES,
          bytesPerSecond: 60_000_000,
        });
      }, 1000);
      deploying += 1;
      if (deploying === Number(count)) console.log('all are deploying');
      ends.push(() => {
        clearInterval(timer);
        const counts = { multicastChunks: image.chunkCount, tcpChunks: 0, datagrams: 100, lostFragments: 1 };
        const result = { ok: true, error: '', disk: 'sda', writtenBytes: TOTAL_BYTES, durationMs: 60_000 };
        client.send({
          type: 'report',
          jobId,
          report: { ...result, ...counts, badDatagrams: 0, root: image.root },
        });
      });
    }
  });
}

const startedMs = performance.now();
let next = 1;
async function connectSome(): Promise<void> {
  while (next <= Number(count)) {
    const number = next;
    next += 1;
    behave(
      await connectControl({
        ...{ host, port: Number(port), certificateSha256, siteKey, role: 'agent', version: '0.0.0' },
        ...{ machine: machineOf(number), logger: silentLog },
      }),
    );
  }
}
await Promise.all(Array.from({ length: AT_A_TIME }, connectSome));
console.log(`connected ${count} in ${Math.round(performance.now() - startedMs)} ms`);
process.stdin.on('data', () => {
  for (const end of ends) end();
});
process.stdin.once('end', () => process.exit(0));
