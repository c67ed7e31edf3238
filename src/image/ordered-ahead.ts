/**
 * Runs work on items with several under way and yields the results in the items' order.
 *
 * @param options.aheadMax how many may be under way or waiting for the consumer.
 * @throws whatever the work throws, when its turn comes; the rest is waited for before.
 */
export async function* orderedAhead<Item, Result>(
  items: Iterable<Item>,
  options: { aheadMax: number; work: (item: Item) => Promise<Result> },
): AsyncGenerator<{ item: Item; result: Result }> {
  const queue: { item: Item; result: Promise<Result> }[] = [];
  const source = items[Symbol.iterator]();
  const fill = () => {
    while (queue.length < options.aheadMax) {
      const next = source.next();
      if (next.done) return;
      const result = options.work(next.value);
      result.catch(() => {}); // seen when its turn comes
      queue.push({ item: next.value, result });
    }
  };
  try {
    for (fill(); queue.length > 0; fill()) {
      const head = queue[0]!;
      const result = await head.result;
      queue.shift();
      yield { item: head.item, result };
    }
  } finally {
    // The consumer may close the file next.
    await Promise.allSettled(queue.map((entry) => entry.result));
  }
}
