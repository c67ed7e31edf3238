import { z } from 'zod';
import { TdError } from '../lib/errors.ts';
import { afterSchema } from '../schema/job.ts';
import type { TargetSettings, Template } from '../schema/template.ts';
import { checked } from './checked-params.ts';
import type { PlannedComputer } from './computer-plan.ts';
import { type ComputerRegistry, plannedComputer } from './computers.ts';
import { deployPlan, type FullPlan, requestFromTemplate } from './deploy-plan.ts';
import { type DeployRequest, deployRequestSchema } from './deploy-request.ts';
import { imageDetails } from './image-details.ts';
import type { ImageLibrary } from './image-library.ts';
import { type Secrets, withSecrets } from './secrets.ts';
import { wantsChanges } from './target-customisation.ts';
import { sourceProblem } from './target-files.ts';
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
    domainPassword: z.string().min(1).max(256).exactOptional(),
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
export async function planDeploy(parts: PreparationParts, params: unknown): Promise<FullPlan> {
  return (await prepared(parts, params)).plan;
}

export interface RequestOptions {
  /** Plans for these; default the targets that are connected. */
  computers?: readonly PlannedComputer[];
  /** Names and addresses go on where earlier jobs of the template ended. */
  countsOn?: boolean;
}

/**
 * The request of a job, from a template's parameters or given as it is (then it names an `image`).
 *
 * @throws TdError as {@link planDeploy}; `refused` when the plan has problems or a password is missing, before anything
 *   starts.
 */
export async function deployRequestOf(
  parts: PreparationParts,
  params: Record<string, unknown>,
  options: RequestOptions = {},
): Promise<DeployRequest> {
  if (Object.hasOwn(params, 'image')) {
    return deployRequestSchema.parse(checked(imageRequestSchema, params));
  }
  const { plan, request, template } = await prepared(parts, params, options);
  const [problem, ...others] = plan.problems;
  if (problem !== undefined) {
    const more = others.length === 0 ? '' : `; and ${others.length} more`;
    throw new TdError('refused', `Cannot deploy template "${request.template}": ${problem}${more}`);
  }
  if (plan.asks !== undefined) {
    const { user, domain } = plan.asks;
    throw new TdError(
      'refused',
      `Cannot deploy template "${request.template}": the password of ${user}, who joins computers to ${domain}, is neither in it nor given (--password-file)`,
    );
  }
  const { rows: settings, notApplied } = plan;
  const customisation = withSecrets(targetSettings(template), (secret) => parts.secrets.seal(secret));
  return checked(deployRequestSchema, {
    ...{ ...request, settings, notApplied, countsOn: options.countsOn ?? false },
    ...(wantsChanges(customisation) ? { customisation } : {}),
  });
}

/** What is in no template cannot be sealed: only a template changes deployed systems. */
const imageRequestSchema = deployRequestSchema.omit({ customisation: true, countsOn: true, series: true });

function targetSettings(template: Template): TargetSettings {
  const { computerNames, membership, network, table, users, sid, files, applications, drivers } = template;
  return { computerNames, membership, network, table, users, sid, files, applications, drivers };
}

async function prepared(
  { core, templates, secrets }: PreparationParts,
  raw: unknown,
  options: RequestOptions = {},
) {
  const { domainPassword, ...params } = checked(deployParams, raw);
  const stored =
    params.template === undefined
      ? inlineTemplate(params.inline, secrets)
      : await templates.usable(params.template);
  const template = withDomainPassword(stored, domainPassword);
  await using lease = await core.library.lease(template.image);
  const image = imageDetails(lease.reader, template.image);
  const computers =
    options.computers ?? candidates(core.computers, params.targets ?? 'all').map(plannedComputer);
  const plan = deployPlan(template, { image, computers, params });
  const sources = [...template.files, ...template.drivers].map(({ source }) => source);
  const missing = (await Promise.all(sources.map(sourceProblem))).filter((problem) => problem !== '');
  return {
    plan: { ...plan, problems: [...plan.problems, ...missing] },
    request: requestFromTemplate(template, { image, params }),
    template,
  };
}

function withDomainPassword(template: Template, password: string | undefined): Template {
  const { membership } = template;
  if (membership.kind !== 'domain' || password === undefined) return template;
  return { ...template, membership: { ...membership, password } };
}

function inlineTemplate(value: unknown, secrets: Secrets): Template {
  const { template, problems } = checkTemplate(value, secrets);
  if (template === undefined || problems.length > 0)
    throw templateError('deploy with these settings', problems);
  return template;
}
