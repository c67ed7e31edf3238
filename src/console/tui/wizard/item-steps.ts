import { BrowsePage } from '../../../lib/tui/browse-page.ts';
import { CheckField } from '../../../lib/tui/choice-field.ts';
import type { AnyHost } from '../../../lib/tui/field.ts';
import { Form } from '../../../lib/tui/form.ts';
import { ListField } from '../../../lib/tui/list-field.ts';
import { TextField } from '../../../lib/tui/text-field.ts';
import { type FileTransfer, fileTransferSchema, templateSchema } from '../../../schema/template.ts';
import { checkedBy, EditPage } from './edit-page.ts';
import { FormStep, type WizardContext } from './wizard-step.ts';

const applicationSchema = templateSchema.shape.applications.unwrap().element;
const driverSchema = templateSchema.shape.drivers.unwrap().element;
type Application = { path: string; arguments: string };
type Driver = { source: string };

/** Page 9: files that go to every target after the deployment. */
export function filesStep(context: WizardContext): FormStep {
  const { draft } = context.model;
  const list = new ListField<FileTransfer>({
    ...{ name: 'files', label: '', items: draft.files, max: 100, empty: 'no files are transferred' },
    describe: (file) =>
      [
        file.execute ? 'execute' : 'copy   ',
        [file.source, file.arguments].filter((text) => text !== '').join(' '),
        file.destination === '' ? '' : `-> ${file.destination}`,
      ].join('  '),
    edit: (file, host) => editFile(context, { file, host }),
    onChange: (files) => {
      draft.files = [...files];
    },
  });
  const intro =
    'Files that are transferred to all target computers after deployment, such as installation files.';
  const form = new Form({ intro, fields: [list] });
  return new FormStep(context, { step: 'files', title: 'Transferring files', optional: true, form });
}

/** Page 10: programs of the master system that are started on the targets. */
export function applicationsStep(context: WizardContext): FormStep {
  const { draft } = context.model;
  const list = new ListField<Application>({
    ...{ name: 'applications', label: '', items: draft.applications, max: 100 },
    empty: 'no applications are executed',
    describe: (one) => `${one.path} ${one.arguments}`.trim(),
    edit: (one, host) => editApplication(one, host),
    onChange: (applications) => {
      draft.applications = [...applications];
    },
  });
  const intro =
    'Service applications of the master system image that are executed on the targets after deployment.';
  const form = new Form({ intro, fields: [list] });
  return new FormStep(context, {
    step: 'applications',
    title: 'Executing applications',
    optional: true,
    form,
  });
}

/** Page 11: drivers for disks that the master computer did not have. */
export function driversStep(context: WizardContext): FormStep {
  const { draft } = context.model;
  const list = new ListField<Driver>({
    ...{ name: 'drivers', label: '', items: draft.drivers, max: 100, empty: 'no drivers are added' },
    describe: (one) => one.source,
    edit: (one, host) => editDriver(context, { driver: one, host }),
    onChange: (drivers) => {
      draft.drivers = [...drivers];
    },
  });
  const intro =
    'Hard disk drivers that are added when the target computers differ from the master computer: folders or .inf files.';
  const form = new Form({ intro, fields: [list] });
  return new FormStep(context, { step: 'drivers', title: 'Custom hard-disk driver', optional: true, form });
}

function editFile(
  context: WizardContext,
  { file, host }: { file: FileTransfer | undefined; host: AnyHost },
): Promise<FileTransfer | undefined> {
  const schema = fileTransferSchema;
  const source = new TextField({
    ...{ name: 'source', label: 'File or folder', value: file?.source ?? '' },
    hint: 'at the console, or smb://server/share/path',
    check: checkedBy(schema.shape.source),
    browse: (current) => browse(context, { host, current, choose: 'file', helpTopic: 'wizard-files' }),
  });
  const destination = new TextField({
    ...{ name: 'destination', label: 'Destination', value: file?.destination ?? '' },
    hint: 'folder on the target; empty: the default folder',
  });
  const execute = new CheckField({
    ...{ name: 'execute', label: 'Execute file', value: file?.execute ?? false },
    text: 'execute it after the deployment',
  });
  const args = new TextField({
    ...{ name: 'arguments', label: 'Arguments', value: file?.arguments ?? '' },
    hidden: () => !execute.value,
  });
  return host.open(
    new EditPage<FileTransfer>({
      title: file === undefined ? 'Add a file' : 'Edit a file',
      ...{ helpTopic: 'wizard-files', fields: [source, destination, execute, args], schema },
      value: () => ({
        ...{ source: source.value.trim(), destination: destination.value.trim(), execute: execute.value },
        arguments: execute.value ? args.value.trim() : '',
      }),
    }),
  );
}

function editApplication(
  application: Application | undefined,
  host: AnyHost,
): Promise<Application | undefined> {
  const path = new TextField({
    ...{ name: 'path', label: 'Application', value: application?.path ?? '' },
    hint: 'its path in the master system',
    check: checkedBy(applicationSchema.shape.path),
  });
  const args = new TextField({ name: 'arguments', label: 'Arguments', value: application?.arguments ?? '' });
  return host.open(
    new EditPage<Application>({
      title: application === undefined ? 'Add an application' : 'Edit an application',
      ...{ helpTopic: 'wizard-applications', fields: [path, args], schema: applicationSchema },
      value: () => ({ path: path.value.trim(), arguments: args.value.trim() }),
    }),
  );
}

function editDriver(
  context: WizardContext,
  { driver, host }: { driver: Driver | undefined; host: AnyHost },
): Promise<Driver | undefined> {
  const source = new TextField({
    ...{ name: 'source', label: 'Driver', value: driver?.source ?? '' },
    hint: 'a folder or .inf file at the console',
    check: checkedBy(driverSchema.shape.source),
    browse: (current) => browse(context, { host, current, choose: 'folder', helpTopic: 'wizard-drivers' }),
  });
  return host.open(
    new EditPage<Driver>({
      title: driver === undefined ? 'Add a driver' : 'Edit a driver',
      ...{ helpTopic: 'wizard-drivers', fields: [source], schema: driverSchema },
      value: () => ({ source: source.value.trim() }),
    }),
  );
}

function browse(
  { api }: WizardContext,
  options: { host: AnyHost; current: string; choose: 'file' | 'folder'; helpTopic: string },
): Promise<string | undefined> {
  const { host, current, choose, helpTopic } = options;
  return host.open(
    new BrowsePage({
      ...{ title: choose === 'file' ? 'Choose a file' : 'Choose a folder', helpTopic, choose },
      path: current.startsWith('/') ? current.slice(0, current.lastIndexOf('/')) || '/' : '/',
      list: (path) => api.call('browse', { path }),
    }),
  );
}
