import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate } from '../control/certificate.ts';
import { sha256Hex } from '../control/identity.ts';
import { temporaryFolder } from '../image/testdata/small-image.ts';
import { Secrets } from './secrets.ts';
import { TemplateStore } from './template-store.ts';

const SMALL = { version: 1 as const, name: 'lab', image: 'office' };

function newSecrets(): Secrets {
  const { keyPem, certificateDer } = makeCertificate('test');
  return new Secrets({ keyPem, certificateSha256: sha256Hex(certificateDer) });
}

let secrets: Secrets;
beforeAll(() => {
  secrets = newSecrets();
});

async function newStore() {
  const folder = await temporaryFolder();
  const dir = join(folder.path, 'templates');
  await mkdir(dir);
  const store = new TemplateStore({ dir: () => dir, secrets });
  const file = (name: string) => join(dir, name);
  return { store, dir, file, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

describe('the template store', () => {
  it('gives back what was saved, with passwords sealed, for its owner only', async () => {
    await using lab = await newStore();
    const users = [{ name: 'admin', password: 'very secret' }];
    const membership = { kind: 'domain' as const, name: 'a.b', user: 'joiner', password: 'also secret' };
    const { path } = await lab.store.save({ ...SMALL, imagePassword: 'open sesame', users, membership });
    expect(path).toBe(lab.file('lab.json'));
    const text = await readFile(path, 'utf8');
    expect(text).not.toMatch(/secret|sesame/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const template = await lab.store.usable('lab');
    expect(secrets.open(template.users[0]!.password)).toBe('very secret');
    expect(secrets.open(template.imagePassword)).toBe('open sesame');
    // What came from the store can be saved again as it is.
    await lab.store.save(template, { replace: true });
    expect(await lab.store.get('LAB')).toEqual(template);
    expect(await readdir(lab.dir)).toEqual(['lab.json']);
  });

  it('never overwrites without being told, upper and lower case alike', async () => {
    await using lab = await newStore();
    await lab.store.save({ ...SMALL, comment: 'first' });
    for (const name of ['lab', 'Lab']) {
      await expect(lab.store.save({ ...SMALL, name })).rejects.toMatchObject({ code: 'refused' });
    }
    const race = await Promise.allSettled([1, 2, 3].map(() => lab.store.save({ ...SMALL, name: 'new' })));
    expect(race.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await lab.store.get('lab')).toMatchObject({ comment: 'first' });
    await lab.store.save({ ...SMALL, name: 'LAB', comment: 'second' }, { replace: true });
    expect((await readdir(lab.dir)).sort()).toEqual(['LAB.json', 'new.json']);
  });

  it('lists broken files with every problem and goes on', async () => {
    await using lab = await newStore();
    await lab.store.save({ ...SMALL, comment: 'good', offeredOnTargets: true });
    await writeFile(lab.file('broken.json'), '{\n "a": 1,}');
    await writeFile(lab.file('newer.json'), '{"version": 7}');
    await writeFile(lab.file('wrong.json'), '{"version": 1, "name": "wrong", "image": "", "after": 1}');
    await writeFile(lab.file('copied.json'), JSON.stringify(SMALL));
    await writeFile(lab.file('huge.json'), ' '.repeat(1_000_000));
    await writeFile(lab.file('.hidden.json'), '{}');
    await writeFile(lab.file('notes.txt'), 'nothing');
    await mkdir(lab.file('folder.json'));
    await symlink('/nowhere', lab.file('dangling.json'));
    execFileSync('mkfifo', [lab.file('pipe.json')]);
    const found = Object.fromEntries((await lab.store.list()).map((one) => [one.name, one.problems]));
    expect(found).toEqual({
      broken: [expect.stringContaining('line 2, column 9')],
      copied: ['name: is "lab", but the file is "copied.json"; change one of them'],
      dangling: [expect.stringContaining('cannot be read')],
      folder: ['it is no file'],
      huge: ['it is bigger than 900000 bytes'],
      lab: [],
      newer: [expect.stringContaining('version 7')],
      pipe: ['it is no file'],
      wrong: ['image: must not be empty', 'after: use shutdown, restart, wait'],
    });
    await expect(lab.store.get('wrong')).rejects.toMatchObject({
      code: 'invalid',
      message: 'Cannot use template "wrong": image: must not be empty; after: use shutdown, restart, wait',
    });
  });

  it('keeps a template of another console but does not deploy it', async () => {
    await using lab = await newStore();
    const users = [{ name: 'admin', password: newSecrets().seal('word') }];
    await writeFile(lab.file('lab.json'), JSON.stringify({ ...SMALL, users }));
    const [entry] = await lab.store.list();
    expect(entry?.problems).toEqual([
      'users.0.password: Cannot open the password: another console sealed it; type it again',
    ]);
    const template = await lab.store.get('lab');
    await expect(lab.store.usable('lab')).rejects.toThrow('type it again');
    await expect(lab.store.save(template, { replace: true })).rejects.toThrow('users.0.password');
    await lab.store.save({ ...template, users: [{ name: 'admin', password: 'word' }] }, { replace: true });
    expect(secrets.open((await lab.store.usable('lab')).users[0]!.password)).toBe('word');
  });

  it.each(['../lab', '/etc/passwd', 'a/b', '..', '', 'lab.json', 'lab\0'])(
    'touches nothing outside its folder for the name %j',
    async (name) => {
      await using lab = await newStore();
      await lab.store.save(SMALL);
      await writeFile(join(lab.dir, '..', 'lab.json'), JSON.stringify(SMALL));
      await expect(lab.store.get(name)).rejects.toMatchObject({ code: 'not-found' });
      await expect(lab.store.delete(name)).rejects.toMatchObject({ code: 'not-found' });
      expect(await readdir(join(lab.dir, '..'))).toContain('lab.json');
      if (name !== 'lab.json') {
        await expect(lab.store.save({ ...SMALL, name })).rejects.toMatchObject({ code: 'invalid' });
      }
    },
  );

  it('leaves the old template when the new one cannot be written', async () => {
    await using lab = await newStore();
    await lab.store.save({ ...SMALL, comment: 'old' });
    await mkdir(lab.file('lab.json.partial'));
    await writeFile(lab.file('lab.json.partial/in-the-way'), '');
    const saving = lab.store.save({ ...SMALL, comment: 'new' }, { replace: true });
    await expect(saving).rejects.toMatchObject({ code: 'io' });
    expect(await lab.store.get('lab')).toMatchObject({ comment: 'old' });
  });

  it('says which folder is gone, and deletes what it is told', async () => {
    await using lab = await newStore();
    await lab.store.save(SMALL);
    await lab.store.delete('lab');
    expect(await lab.store.list()).toEqual([]);
    await chmod(lab.dir, 0o700);
    await rm(lab.dir, { recursive: true });
    await expect(lab.store.list()).rejects.toThrow('there is no such folder; set another template path');
    await expect(lab.store.save(SMALL)).rejects.toMatchObject({ code: 'not-found' });
  });
});
