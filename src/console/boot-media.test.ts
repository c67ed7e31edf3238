import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunOptions } from '../lib/spawn.ts';
import { writeFixtureMedia } from '../media/testdata/media-tree-fixture.ts';
import { type BootMediaSystem, findBootMedia } from './boot-media.ts';

let dir: string;
let server: Server | undefined;
let system: BootMediaSystem;
let calls: string[];
/** What blkid finds by the label. */
let labelled: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'totaldeploy-boot-media-'));
  calls = [];
  labelled = '';
  system = {
    commandLinePath: join(dir, 'cmdline'),
    mediumDir: join(dir, 'medium'),
    folders: [join(dir, 'beside')],
    runProgram: async (program: string, args: readonly string[], _options?: RunOptions) => {
      calls.push([program, ...args].join(' '));
      if (program === 'mount') await writeFixtureMedia(args.at(-1)!);
      const stdout = program !== 'blkid' ? '' : args.includes('TYPE') ? 'iso9660\n' : labelled;
      return { code: 0, stdout, stderr: '' };
    },
  };
  await writeFile(system.commandLinePath, 'quiet td.mode=console');
});
afterEach(async () => {
  server?.close();
  server = undefined;
  await rm(dir, { recursive: true, force: true });
});

const find = (given?: string) =>
  findBootMedia({ workDir: join(dir, 'work'), system, ...(given === undefined ? {} : { given }) });

describe('findBootMedia', () => {
  it('takes what a person names, else the medium stage 1 mounted, else what is beside the program', async () => {
    await writeFixtureMedia(join(dir, 'beside'));
    expect(await find()).toBe(join(dir, 'beside'));
    await writeFixtureMedia(join(dir, 'medium'));
    expect(await find()).toBe(join(dir, 'medium'));
    expect(await find('/mine')).toBe('/mine');
    expect(calls).toEqual([]);
  });

  it('mounts the medium by its label, read-only, when the boot loader brought everything', async () => {
    labelled = '/dev/sr0\n';
    expect(await find()).toBe(join(dir, 'medium'));
    expect(calls.at(-1)).toBe(`mount -t iso9660 -o ro,nosuid,nodev,noexec /dev/sr0 ${join(dir, 'medium')}`);
  });

  it('fetches from the boot server a computer was started from, whatever stick is plugged in', async () => {
    labelled = '/dev/sdb1\n';
    await writeFixtureMedia(join(dir, 'www'));
    await writeFile(join(dir, 'www/manifest.json'), 'none');
    server = createServer(async (request, response) => {
      response.end(await readFile(join(dir, 'www', request.url!)).catch(() => ''));
    });
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await writeFile(system.commandLinePath, `td.mode=console td.boot=http://127.0.0.1:${port}/boot/`);
    expect(await find()).toBe(join(dir, 'work/boot-media'));
    expect(calls).toEqual([]);
    // Once is enough.
    server.close();
    server.closeAllConnections();
    expect(await find()).toBe(join(dir, 'work/boot-media'));
  });

  it('says where it looked and what to do when there is nothing', async () => {
    await expect(find()).rejects.toThrow(
      /Cannot find the boot files: none in .*medium, .*beside, and no disk or CD is labelled "TOTALDEPLOY"; plug in a medium/,
    );
  });
});
