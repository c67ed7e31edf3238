import type { DatabaseSync } from 'node:sqlite';

/** Of which computer a place is. */
interface PlaceRow {
  computerId: string;
  place: number;
}

export interface PlaceRequest {
  /** The first job of those that try each other's computers again. */
  series: string;
  template: string;
  computerId: string;
  /** Goes on where earlier jobs of the template ended, and gives a computer the place it had there. */
  countsOn: boolean;
}

/**
 * The places of computers in their deployments, which their names and addresses are counted by. A place that was
 * given stays: over retries, late joins and a restart of the console.
 */
export class PlaceTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** The computer's place, from 0; a new one when it has none. */
  give(request: PlaceRequest): number {
    const { series, template, computerId, countsOn } = request;
    const here = this.#rows('series', series);
    const own = here.find((row) => row.computerId === computerId);
    if (own !== undefined) return own.place;
    const place = countsOn ? placeInTemplate(this.#rows('template', template), computerId) : nextPlace(here);
    this.#db
      .prepare('INSERT INTO places (series, template, computer_id, place) VALUES (?, ?, ?, ?)')
      .run(series, template, computerId, place);
    return place;
  }

  /** Oldest first. */
  #rows(column: 'series' | 'template', value: string): PlaceRow[] {
    const rows = this.#db
      .prepare(`SELECT computer_id, place FROM places WHERE ${column} = ? ORDER BY id`)
      .all(value);
    return rows.map((row) => ({ computerId: String(row.computer_id), place: Number(row.place) }));
  }
}

function nextPlace(rows: readonly PlaceRow[]): number {
  return rows.reduce((next, { place }) => Math.max(next, place + 1), 0);
}

/** The last place that the computer had, unless another one got it since. */
function placeInTemplate(rows: readonly PlaceRow[], computerId: string): number {
  const holders = new Map(rows.map((row) => [row.place, row.computerId]));
  const own = rows.findLast((row) => row.computerId === computerId);
  return own !== undefined && holders.get(own.place) === computerId ? own.place : nextPlace(rows);
}
