import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openImage } from '../image/image-reader.ts';
import { createImageWriter } from '../image/image-writer.ts';
import { MemorySink, manifestDraft, noise, smallBlocks, writeTo } from '../image/testdata/small-image.ts';
import { TdError } from '../lib/errors.ts';
import { judgeSpace } from './capture-job.ts';
import { ImageUpload } from './image-upload.ts';
import { type FakeComputer, TestConsole, until } from './testdata/test-console.ts';

async function request(
  computer: FakeComputer,
  name: string,
  bytesMax = 1_000_000,
): Promise<{ jobId: string; path: string }> {
  const number = computer.orders.filter((order) => order.type === 'capture-accept').length + 1;
  computer.send({ type: 'capture-request', name, bytesMax });
  return computer.order('capture-accept', number);
}

async function refusal(computer: FakeComputer, name: string, bytesMax = 1000): Promise<string> {
  const number = computer.orders.filter((order) => order.type === 'capture-refuse').length + 1;
  computer.send({ type: 'capture-request', name, bytesMax });
  return (await computer.order('capture-refuse', number)).reason;
}

async function imageBytes(): Promise<Buffer> {
  const sink = new MemorySink();
  await writeTo(sink);
  return sink.bytes();
}

const job = async (lab: TestConsole, jobId: string) =>
  ((await lab.rpc.call('jobs')) as { id: string; state: string; error: string }[]).find(
    (one) => one.id === jobId,
  );

const ended = async (lab: TestConsole, jobId: string) => {
  await until(async () => (await job(lab, jobId))?.state !== 'running', 'the end of the capture');
  return (await job(lab, jobId))!;
};

const eventTexts = (lab: TestConsole) => lab.events().map((event) => `${event.kind}: ${event.text}`);

describe('a capture', () => {
  it('is written straight from an image writer, verified and listed', async () => {
    await using lab = await TestConsole.start();
    const master = await lab.computer(1, 'backup');
    const { jobId, path } = await request(master, 'Büro 1');
    const upload = master.service().openUpload(path);
    const writer = createImageWriter(upload);
    for (const block of smallBlocks())
      await writer.add({ disk: 0, offsetBytes: block.offsetBytes }, block.raw);
    const written = await writer.finish(manifestDraft(1024 * 1024));
    master.send({ type: 'capture-end', jobId, ok: true, error: '' });
    expect((await ended(lab, jobId)).state).toBe('done');
    expect(await readdir(lab.status.imagesDir)).toEqual(['Büro 1.sco']);
    expect(await lab.rpc.call('images')).toMatchObject([
      { name: 'Büro 1', problem: '', root: written.root.toString('hex'), fileBytes: written.fileBytes },
    ]);
    await using reader = await openImage(join(lab.status.imagesDir, 'Büro 1.sco'));
    expect(reader.root).toEqual(written.root);
    // What was captured can be deployed at once.
    const target = await lab.computer(2);
    const deployment = await lab.deploy({ image: 'Büro 1' });
    target.report(await target.accept());
    expect((await deployment.ended).state).toBe('done');
  });

  it('is not listed before its end, and removed when the connection breaks', async () => {
    await using lab = await TestConsole.start();
    const master = await lab.computer(1, 'backup');
    const { jobId, path } = await request(master, 'office');
    const upload = master.service().openUpload(path);
    const bytes = await imageBytes();
    await upload.write(bytes.subarray(0, bytes.length / 2));
    await until(async () => (await readdir(lab.status.imagesDir)).length === 1, 'the partial file');
    expect(await readdir(lab.status.imagesDir)).toEqual(['office.sco.partial']);
    expect(await lab.rpc.call('images')).toEqual([]);
    await upload.abort();
    expect((await ended(lab, jobId)).state).toBe('failed');
    expect(await readdir(lab.status.imagesDir)).toEqual([]);
    expect(eventTexts(lab)).toContainEqual(
      expect.stringMatching(/^capture-failed: .*"office" was not stored/),
    );
    // The same name is free again.
    await request(master, 'office');
  });

  it.each([
    ['half of it', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['nothing at all', () => Buffer.alloc(0)],
    ['no image', () => noise(20_000, 5)],
    [
      'an image with a flipped bit in its index',
      (bytes: Buffer) => {
        const changed = Buffer.from(bytes);
        const at = bytes.lastIndexOf('SCOINDEX') + 40;
        changed[at] = changed[at]! ^ 1;
        return changed;
      },
    ],
  ])('that sends %s is refused at its end and leaves nothing', async (_what, change) => {
    await using lab = await TestConsole.start();
    const master = await lab.computer(1, 'backup');
    const { jobId, path } = await request(master, 'office');
    const upload = master.service().openUpload(path);
    const bytes = change(await imageBytes());
    if (bytes.length > 0) await upload.write(bytes);
    const error = await upload.close().catch((caught) => caught);
    expect(error).toBeInstanceOf(TdError);
    expect(error.message).not.toContain('\n');
    expect((await ended(lab, jobId)).state).toBe('failed');
    expect(await readdir(lab.status.imagesDir)).toEqual([]);
  });

  it('stops at both ends with the reason when the disk of the console is full', async () => {
    let written = 0;
    const openFile = async () => ({
      write: async (bytes: Buffer) => {
        written += bytes.length;
        if (written > 100_000) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      },
      sync: async () => {},
      close: async () => {},
    });
    await using lab = await TestConsole.start({ parts: { openFile } });
    const master = await lab.computer(1, 'backup');
    const { jobId, path } = await request(master, 'office');
    const upload = master.service().openUpload(path);
    const sending = (async () => {
      for (let i = 0; i < 200; i += 1) await upload.write(noise(100_000, i));
      await upload.close();
    })();
    const error = await sending.catch((caught) => caught);
    expect(error).toMatchObject({ code: 'no-space' });
    expect(error.message).toContain("the console's disk is full");
    expect(await ended(lab, jobId)).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('disk is full'),
    });
    expect(await lab.rpc.call('images')).toEqual([]);
  });

  it('is refused for a name that is taken or being sent, or when there is clearly no room', async () => {
    await using lab = await TestConsole.start();
    await lab.addImage('office');
    const [master, other] = [await lab.computer(1, 'backup'), await lab.computer(2, 'backup')];
    expect(await refusal(master, 'Office')).toContain('there already');
    await request(master, 'lab');
    expect(await refusal(other, 'lab')).toContain('another computer');
    expect(await refusal(other, 'huge', Number.MAX_SAFE_INTEGER)).toContain('free some space');
    expect(eventTexts(lab).filter((text) => text.startsWith('capture-refused'))).toHaveLength(3);
  });

  it('takes uploads from its own computer only, and once', async () => {
    await using lab = await TestConsole.start();
    const [master, other] = [await lab.computer(1, 'backup'), await lab.computer(2, 'backup')];
    const { path } = await request(master, 'office');
    const foreign = other.service().openUpload(path);
    await expect(foreign.write(Buffer.alloc(10)).then(() => foreign.close())).rejects.toMatchObject({
      code: 'not-found',
    });
    const first = master.service().openUpload(path);
    await first.write(Buffer.alloc(10));
    await until(async () => (await readdir(lab.status.imagesDir)).length === 1, 'the upload');
    const second = master.service().openUpload(path);
    await expect(second.write(Buffer.alloc(10)).then(() => second.close())).rejects.toMatchObject({
      code: 'refused',
    });
    await first.abort();
  });

  it('starts again when its computer asks again', async () => {
    await using lab = await TestConsole.start();
    const master = await lab.computer(1, 'backup');
    const before = await request(master, 'office');
    const upload = master.service().openUpload(before.path);
    await upload.write(noise(1000, 1));
    await until(async () => (await readdir(lab.status.imagesDir)).length === 1, 'the upload');
    const back = await lab.computer(1, 'backup');
    const after = await request(back, 'office');
    expect((await ended(lab, before.jobId)).error).toContain('started the capture again');
    const again = back.service().openUpload(after.path);
    await again.write(await imageBytes());
    await again.close();
    expect((await ended(lab, after.jobId)).state).toBe('done');
  });

  it('goes on while only the control connection is away', async () => {
    await using lab = await TestConsole.start();
    const master = await lab.computer(1, 'backup');
    const { jobId, path } = await request(master, 'office');
    const upload = master.service().openUpload(path);
    const bytes = await imageBytes();
    await upload.write(bytes.subarray(0, 5000));
    await until(async () => (await readdir(lab.status.imagesDir)).length === 1, 'the upload');
    master.client.close();
    await until(() => eventTexts(lab).some((text) => text.startsWith('capture-lost')), 'the loss');
    await upload.write(bytes.subarray(5000));
    await upload.close();
    expect((await ended(lab, jobId)).state).toBe('done');
  });

  it('ends when its computer gives up or is cancelled at the console', async () => {
    await using lab = await TestConsole.start();
    const master = await lab.computer(1, 'backup');
    const one = await request(master, 'one');
    master.send({ type: 'capture-end', jobId: one.jobId, ok: false, error: 'Cannot read sda: I/O error' });
    expect(await ended(lab, one.jobId)).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('I/O error'),
    });
    const two = await request(master, 'two');
    const upload = master.service().openUpload(two.path);
    await upload.write(noise(1000, 1));
    await until(async () => (await readdir(lab.status.imagesDir)).length === 1, 'the upload');
    await lab.rpc.call('cancel', { jobId: two.jobId });
    expect((await master.order('cancel')).jobId).toBe(two.jobId);
    expect((await ended(lab, two.jobId)).state).toBe('cancelled');
    expect(await readdir(lab.status.imagesDir)).toEqual([]);
    const sending = (async () => {
      for (let i = 0; i < 100; i += 1) await upload.write(noise(100_000, i));
    })();
    await expect(sending).rejects.toBeInstanceOf(TdError);
  });
});

describe('storing an image', () => {
  it('never replaces one that appeared meanwhile', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'td-upload-'));
    try {
      const results: unknown[] = [];
      const upload = await ImageUpload.open({ dir, name: 'office', onEnd: (result) => results.push(result) });
      await upload.write(await imageBytes());
      await writeFile(join(dir, 'office.sco'), 'other');
      await expect(upload.finish()).rejects.toMatchObject({ code: 'refused' });
      await upload.abort('refused');
      expect(await readdir(dir)).toEqual(['office.sco']);
      expect(results).toEqual([{ ok: false, reason: 'refused' }]);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe('judging free space', () => {
  it('refuses what is clearly too small, warns of what may be, and keeps a reserve', () => {
    const gigabyte = 1e9;
    expect(judgeSpace(100 * gigabyte, 50 * gigabyte)).toEqual({ ok: true, text: '' });
    expect(judgeSpace(20 * gigabyte, 50 * gigabyte)).toMatchObject({
      ok: true,
      text: expect.stringContaining('tight'),
    });
    expect(judgeSpace(2 * gigabyte, 50 * gigabyte).ok).toBe(false);
    expect(judgeSpace(64 * 1024 * 1024, 0).ok).toBe(false);
  });
});
