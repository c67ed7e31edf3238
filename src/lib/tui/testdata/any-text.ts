import fc from 'fast-check';

/** Text a terminal could stumble over: control, combining, wide, right-to-left and unpaired characters. */
export function anyText(maxLength = 60): fc.Arbitrary<string> {
  const range = (min: number, max: number) => fc.integer({ min, max });
  const code = fc.oneof(
    ...[range(0x20, 0x7e), range(0, 0x24f), range(0x300, 0x36f), range(0x5d0, 0x5ea), range(0x200b, 0x206f)],
    ...[range(0x2500, 0x25ff), range(0x4e00, 0x4eff), range(0xd800, 0xdfff), range(0x1f600, 0x1f64f)],
    range(0, 0x10ffff),
  );
  return fc.array(code, { maxLength }).map((codes) => String.fromCodePoint(...codes));
}
