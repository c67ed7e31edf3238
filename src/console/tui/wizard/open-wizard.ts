import type { AnyHost } from '../../../lib/tui/field.ts';
import type { Template } from '../../../schema/template.ts';
import type { ConsoleApi } from '../../console-api.ts';
import { openJob } from '../job-page.ts';
import { afterStep } from './after-step.ts';
import { ImageStep } from './image-step.ts';
import { applicationsStep, driversStep, filesStep } from './item-steps.ts';
import { namesStep } from './names-step.ts';
import { networkStep } from './network-step.ts';
import { PartitionsStep } from './partitions-step.ts';
import { sidStep } from './sid-step.ts';
import { SummaryStep } from './summary-step.ts';
import { targetDiskStep } from './target-disk-step.ts';
import { TargetsStep } from './targets-step.ts';
import { usersStep } from './users-step.ts';
import { draftOf, newDraft } from './wizard-draft.ts';
import { WizardModel } from './wizard-model.ts';
import { WizardPage } from './wizard-page.ts';
import type { WizardContext } from './wizard-step.ts';

/**
 * Runs the deployment wizard; when it started a job, its page follows.
 *
 * @param options.template fills the wizard in; saving under its name replaces it.
 */
export async function openWizard(
  host: AnyHost,
  api: ConsoleApi,
  options: { template?: Template } = {},
): Promise<void> {
  const end = await host.open(wizardPage(api, options.template));
  if (end !== undefined && 'jobId' in end) await openJob(host, api, end.jobId);
}

export function wizardPage(api: ConsoleApi, template?: Template): WizardPage {
  const model = new WizardModel(template === undefined ? newDraft() : draftOf(template));
  const context: WizardContext = { model, api, computers: [], image: undefined };
  const page: WizardPage = new WizardPage(model, {
    title: template === undefined ? 'Deployment wizard' : `Deployment template "${template.name}"`,
    views: [
      new TargetsStep(context),
      new ImageStep(context),
      new PartitionsStep(context),
      targetDiskStep(context),
      usersStep(context),
      namesStep(context),
      networkStep(context),
      sidStep(context),
      filesStep(context),
      applicationsStep(context),
      driversStep(context),
      afterStep(context),
      new SummaryStep(context, {
        showFirstProblem: (host) => page.showFirstProblem(host),
        ...(template === undefined ? {} : { editedName: template.name }),
      }),
    ],
  });
  return page;
}
