import { z } from 'zod';
import { sleep } from '../../lib/clock.ts';
import { TdError } from '../../lib/errors.ts';
import { checked } from '../checked-params.ts';
import type { ConnectedComputer } from '../computers.ts';
import type { ConsoleCore } from '../console-core.ts';
import { deployRequestOf, type PreparationParts } from '../deploy-preparation.ts';
import type { RpcMethods } from '../rpc-server.ts';
import { isEnded } from '../store.ts';

const WATCH_INTERVAL_MS = 500;
const COMPUTERS_MAX = 2000;

const jobParams = z.strictObject({ jobId: z.string().max(40) });
const computers = z.array(z.string().min(1).max(300)).min(1).max(COMPUTERS_MAX);
const cancelParams = jobParams.extend({
  computer: z.string().max(300).exactOptional(),
  reason: z.string().min(1).max(500).default('cancelled at the console'),
});
const retryParams = jobParams.extend({ computers: computers.exactOptional() });
const historyParams = z.strictObject({ limit: z.number().int().min(1).max(100_000).default(100) });
const wakeParams = z.strictObject({ computers });
const powerParams = z.strictObject({ computers, action: z.enum(['shutdown', 'restart']) });

/** Jobs: starting, following and ending them, and what is done to computers that wait for one. */
export function jobMethods(parts: PreparationParts & { core: ConsoleCore }): RpcMethods {
  const { core } = parts;
  return {
    computers: async () => core.computerViews(),
    'computers.known': async () => core.knownComputers(),
    wake: async ({ params }) => ({ woken: await core.wake(checked(wakeParams, params).computers) }),
    power: async ({ params }) => {
      const { computers: names, action } = checked(powerParams, params);
      for (const { connection } of names.map((name) => waiting(core, name))) {
        connection.send({ type: 'power', action });
      }
      return null;
    },
    deploy: async ({ params }) => ({
      jobId: core.deployments.start(await deployRequestOf(parts, params)).id,
    }),
    cancel: async ({ params }) => {
      const { jobId, ...options } = checked(cancelParams, params);
      await core.cancel(jobId, options);
      return null;
    },
    retry: async ({ params }) => {
      const { jobId, computers: names } = checked(retryParams, params);
      return { jobId: core.deployments.retry(jobId, names) };
    },
    jobs: async () => core.jobs(),
    job: async ({ params }) => core.job(checked(jobParams, params).jobId),
    'job.history': async ({ params }) => core.store.jobSummaries(checked(historyParams, params).limit),
    /** Sends the job's snapshot whenever it changed, and the last one as the result. */
    watch: async ({ params, emit, signal }) => {
      const { jobId } = checked(jobParams, params);
      let told = '';
      for (;;) {
        const snapshot = core.job(jobId);
        if (isEnded(snapshot.state)) return (await core.deployments.ended(jobId)) ?? snapshot;
        const text = JSON.stringify(snapshot);
        if (text !== told) emit(snapshot);
        told = text;
        const pause = sleep(WATCH_INTERVAL_MS, signal);
        await (snapshot.kind === 'deploy' ? Promise.race([pause, core.deployments.ended(jobId)]) : pause);
      }
    },
  };
}

/** @throws TdError `not-found`, `refused`: nobody is switched off then. */
function waiting(core: ConsoleCore, name: string): ConnectedComputer {
  const computer = core.computers.find(name);
  if (computer === undefined) throw new TdError('not-found', `Computer "${name}" is not connected`);
  const jobId = computer.jobId ?? computer.connection.hello.job?.jobId;
  if (jobId === undefined && computer.role === 'agent') return computer;
  const why = jobId === undefined ? 'it runs the backup agent' : `job ${jobId} runs on it; cancel that first`;
  throw new TdError('refused', `Cannot switch computer "${name}": ${why}`);
}
