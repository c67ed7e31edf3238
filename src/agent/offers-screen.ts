import type { Screen, ScreenView } from '../lib/screen.ts';
import { offerDialog } from './offer-dialog.ts';
import type { AgentOffers } from './offers.ts';

/** Lists what the console offers on every view that has a place for it. */
export class OffersScreen implements Screen {
  readonly #screen: Screen;
  #offers: AgentOffers | undefined;
  #view: ScreenView | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Given to the agent as `onOffers`. */
  readonly take = (offers: AgentOffers): void => {
    this.#offers = offers;
    offers.onChange(() => {
      if (this.#view !== undefined) this.show(this.#view);
    });
  };

  milestone(text: string): void {
    this.#screen.milestone(text);
  }

  show(view: ScreenView): void {
    this.#view = view;
    const offers = this.#offers;
    if (view.choices === undefined || offers === undefined) {
      this.#screen.show(view);
      return;
    }
    const list = offers.offers;
    this.#screen.show({
      ...view,
      choices: {
        title: 'Offered by the console for this computer:',
        items: list.map(({ name, comment }) => (comment === '' ? name : `${name}  (${comment})`)),
        pick: async (index, present) => {
          const offer = list[index];
          if (offer !== undefined) await present(await offerDialog(offers, offer));
        },
      },
    });
  }
}
