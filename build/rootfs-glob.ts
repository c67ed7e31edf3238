/**
 * Compiles a path pattern: `*` and `?` stay inside a folder, `**` goes across folders, `{a,b}` is either. A list of
 * thousands of paths is matched against dozens of patterns, for which `path.matchesGlob` takes ten seconds.
 */
export function globToRegExp(glob: string): RegExp {
  let source = '';
  let depth = 0;
  for (let at = 0; at < glob.length; at += 1) {
    const char = glob[at]!;
    if (glob.startsWith('**', at)) {
      // `a/**/b` matches `a/b` too.
      const between = glob[at + 2] === '/';
      source += between ? '(?:.*/)?' : '.*';
      at += between ? 2 : 1;
    } else if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '{') {
      source += '(?:';
      depth += 1;
    } else if (char === '}' && depth > 0) {
      source += ')';
      depth -= 1;
    } else if (char === ',' && depth > 0) source += '|';
    else source += char.replace(/[\\^$.+()|[\]{}]/, '\\$&');
  }
  return new RegExp(`^${source}${')'.repeat(depth)}$`, 's');
}
