import { beforeEach, expect, it } from 'vitest';
import type { AgentMessage, Offer } from '../control/messages.ts';
import { testMachine } from '../control/testdata/test-machine.ts';
import { AgentOffers } from './offers.ts';

const disk = testMachine(1).disks[0]!;
const offer: Offer = {
  ...{ name: 'lab', comment: '', image: 'office', needsPin: true, diskRule: 'auto', sizeBytesMin: 1 },
  ...{ logicalSectorBytes: 512, table: 'gpt', firmware: 'uefi' },
};

let sent: AgentMessage[];
let isConnected: boolean;
let offers: AgentOffers;

beforeEach(() => {
  sent = [];
  isConnected = true;
  offers = new AgentOffers({
    send: (message) => isConnected && sent.push(message) > 0,
    chooseDisk: async () => ({ ok: true, path: '/dev/sda', disk, description: 'sda', warnings: [] }),
    answerMsMax: 100,
  });
  offers.heard({ type: 'offers', offers: [offer] });
});

it('calls back when what is offered changes, and forgets it with the connection', () => {
  const seen: string[][] = [];
  const stop = offers.onChange(() => seen.push(offers.offers.map((one) => one.name)));
  offers.heard({ type: 'offers', offers: [offer, { ...offer, name: 'other' }] });
  offers.disconnected();
  stop();
  offers.heard({ type: 'offers', offers: [offer] });
  expect(seen).toEqual([['lab', 'other'], []]);
});

it('asks the console and gives its answer, yes or no', async () => {
  const yes = offers.choose('lab', { pin: '4711', disk });
  expect(sent).toEqual([{ type: 'choose-offer', template: 'lab', pin: '4711' }]);
  offers.heard({ type: 'offer-answer', template: 'other', jobId: 'j0', reason: '' });
  offers.heard({ type: 'offer-answer', template: 'lab', jobId: 'j1', reason: '' });
  expect(await yes).toEqual({ jobId: 'j1' });
  const no = offers.choose('lab', { pin: '1', disk });
  offers.heard({ type: 'offer-answer', template: 'lab', jobId: '', reason: 'This PIN is wrong' });
  await expect(no).rejects.toMatchObject({ code: 'refused', message: 'This PIN is wrong' });
});

it('says when nothing is there to ask or to answer', async () => {
  await expect(offers.choose('none', { pin: '', disk })).rejects.toMatchObject({ code: 'not-found' });
  await expect(offers.choose('lab', { pin: '', disk })).rejects.toMatchObject({ code: 'timeout' });
  const broken = offers.choose('lab', { pin: '', disk });
  offers.disconnected();
  await expect(broken).rejects.toMatchObject({ code: 'network' });
  offers.heard({ type: 'offers', offers: [offer] });
  isConnected = false;
  await expect(offers.choose('lab', { pin: '', disk })).rejects.toMatchObject({ code: 'network' });
});

it('objects when the job would take another disk than the confirmed one', async () => {
  const chosen = offers.choose('lab', { pin: '', disk });
  offers.heard({ type: 'offer-answer', template: 'lab', jobId: 'j1', reason: '' });
  await chosen;
  expect(offers.objection('j1', { ...disk })).toBeUndefined();
  expect(offers.objection('j1', { ...disk, serial: 'another' })).toContain('was confirmed here');
  expect(offers.objection('j2', { ...disk, name: 'sdb' })).toBeUndefined();
});
