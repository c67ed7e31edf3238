import { z } from 'zod';
import { TdError } from '../lib/errors.ts';
import { afterSchema } from '../schema/job.ts';
import type { Template } from '../schema/template.ts';
import { checked } from './checked-params.ts';
import type { PlannedComputer } from './computer-plan.ts';
import { type ComputerRegistry, type ConnectedComputer, computerLabel } from './computers.ts';
import type { DeployPlan } from './console-api.ts';
import { deployPlan, requestFromTemplate } from './deploy-plan.ts';
import { type DeployRequest, deployRequestSchema } from './deploy-request.ts';
import { imageDetails } from './image-details.ts';
import type { ImageLibrary } from './image-library.ts';
import type { Secrets } from './secrets.ts';
import { candidates } from './target-selection.ts';
import { checkTemplate, templateError } from './template-check.ts';
import type { TemplateStore } from './template-store.ts';

const SECONDS_MAX = 7 * 24 * 3600;

const deployParams = z
  .strictObject({
    template: z.string().min(1).max(120).exactOptional(),
    inline: z.unknown().exactOptional(),
    targets: z
      .union([z.literal('all'), z.array(z.string().min(1).max(300)).min(1).max(2000)])
      .exactOptional(),
    waitFor: z.number().int().min(0).max(2000).exactOptional(),
    waitSeconds: z.number().min(0).max(SECONDS_MAX).exactOptional(),
    after: afterSchema.exactOptional(),
  })
  .refine(({ template, inline }) => (template === undefined) !== (inline === undefined), {
    path: ['template'],
    message: 'give the name of a template, or a whole one inline',
  });

export interface PreparationParts {
  core: { library: ImageLibrary; computers: ComputerRegistry };
  templates: TemplateStore;
  secrets: Secrets;
}

/**
 * What a deployment would do if it began now.
 *
 * @param params as `DeployParams` promises; checked here.
 * @throws TdError `usage`, `not-found`, `invalid` for the template; as opening the image.
 */
export async function planDeploy(parts: PreparationParts, params: unknown): Promise<Required<DeployPlan>> {
  return (await prepared(parts, params)).plan;
}

/**
 * The request of a job, from a template's parameters or given as it is (then it names an `image`).
 *
 * @param options.computers plans for these; default the targets that are connected.
 * @throws TdError as {@link planDeploy}; `refused` when the plan has problems, before anything starts.
 */
export async function deployRequestOf(
  parts: PreparationParts,
  params: Record<string, unknown>,
  options: { computers?: readonly PlannedComputer[] } = {},
): Promise<DeployRequest> {
  if (Object.hasOwn(params, 'image')) return checked(deployRequestSchema, params);
  const { plan, request } = await prepared(parts, params, options);
  const [problem, ...others] = plan.problems;
  if (problem !== undefined) {
    const more = others.length === 0 ? '' : `; and ${others.length} more`;
    throw new TdError('refused', `Cannot deploy template "${request.template}": ${problem}${more}`);
  }
  const { rows: settings, notApplied } = plan;
  return checked(deployRequestSchema, { ...request, settings, notApplied });
}

async function prepared(
  { core, templates, secrets }: PreparationParts,
  raw: unknown,
  options: { computers?: readonly PlannedComputer[] } = {},
) {
  const params = checked(deployParams, raw);
  const template =
    params.template === undefined
      ? inlineTemplate(params.inline, secrets)
      : await templates.usable(params.template);
  await using lease = await core.library.lease(template.image);
  const image = imageDetails(lease.reader, template.image);
  const computers = options.computers ?? candidates(core.computers, params.targets ?? 'all').map(planned);
  return {
    plan: deployPlan(template, { image, computers, params }),
    request: requestFromTemplate(template, { image, params }),
  };
}

function inlineTemplate(value: unknown, secrets: Secrets): Template {
  const { template, problems } = checkTemplate(value, secrets);
  if (template === undefined || problems.length > 0)
    throw templateError('deploy with these settings', problems);
  return template;
}

export function planned({
  computerId,
  machine,
}: Pick<ConnectedComputer, 'computerId' | 'machine'>): PlannedComputer {
  const macs = machine.nics.map((nic) => nic.mac).sort();
  return { label: computerLabel(computerId), macs, serial: machine.serial };
}
