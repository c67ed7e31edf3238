import type { Offer } from '../control/messages.ts';
import type { Dialog, LineIo } from '../lib/dialog.ts';
import { errorLine } from '../lib/errors.ts';
import { MenuPage } from '../preos/menu-page.ts';
import { OfferPage } from './offer-page.ts';
import { confirmationOf, isConfirmed, type OfferEnd, type OfferedDisk, offerRows } from './offered-disk.ts';
import type { AgentOffers } from './offers.ts';

/** Shows what an offer would overwrite and starts it when the person confirmed the disk by its size. */
export async function offerDialog(offers: AgentOffers, offer: Offer): Promise<Dialog<OfferEnd>> {
  const title = `Deploy "${offer.name}"`;
  const answer = await offers.diskFor(offer.name).catch((error: unknown) => ({
    ok: false as const,
    reason: errorLine(error),
  }));
  if (!answer.ok) return messageDialog(title, `It cannot be deployed to this computer: ${answer.reason}`);
  const { disk, warnings } = answer;
  const offered: OfferedDisk = {
    ...{ offer, disk, warnings },
    start: (pin) => offers.choose(offer.name, { pin, disk }),
  };
  return { onLeft: 'left', page: () => new OfferPage(offered), lines: (io) => askByLines(io, offered) };
}

function messageDialog(title: string, text: string): Dialog<OfferEnd> {
  return {
    onLeft: 'left',
    page: () =>
      new MenuPage<OfferEnd>({
        ...{ title, helpTopic: 'preos.offer', problems: [text], question: 'Nothing was changed.' },
        items: [{ choice: 'left', label: 'Back' }],
        onEscape: 'left',
      }),
    lines: async (io) => {
      io.tell([`--- ${title} ---`, `! ${text}`]);
      return 'left';
    },
  };
}

async function askByLines(io: LineIo, offered: OfferedDisk): Promise<OfferEnd> {
  const { offer, disk, warnings } = offered;
  const title = `Deploy "${offer.name}"`;
  const rows = offerRows(offered).map(([label, value]) => `${label}: ${value}`);
  const lines = [...rows, ...warnings.map((line) => `! ${line}`), 'Everything on this disk is overwritten.'];
  for (let note: string[] = []; ; ) {
    const size = confirmationOf(disk);
    const prompt = `Type the disk's size (${size}) to deploy, empty to leave:`;
    const typed = await io.ask({ title, lines: [...lines, ...note], prompt });
    if (typed === '') return 'left';
    note = [`! "${typed.slice(0, 40)}" is not ${size}.`];
    if (!isConfirmed(disk, typed)) continue;
    const pin = offer.needsPin ? await io.ask({ title, lines: [], prompt: 'PIN:' }) : '';
    try {
      const { jobId } = await offered.start(pin);
      io.tell([`The console starts it (job ${jobId}).`]);
      return 'started';
    } catch (error) {
      note = [`! ${errorLine(error)}`];
    }
  }
}
