/** The fenced code blocks of a Markdown page. */
import { readFileSync } from 'node:fs';

/** One block, and where its fence opens. */
export interface CodeBlock {
  page: string;
  line: number;
  language: string;
  text: string;
}

/**
 * Reads the blocks of a page.
 * @throws Error for a fence that is never closed: what follows it would be no block at all
 */
export function codeBlocks(page: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { block: CodeBlock; fence: string; indent: string } | undefined;
  for (const [index, line] of readFileSync(page, 'utf8').split('\n').entries()) {
    const [, indent = '', fence, info = ''] = /^(\s*)(```+|~~~+)\s*(.*)$/.exec(line) ?? [];
    if (open === undefined) {
      if (fence === undefined) continue;
      open = { block: { page, line: index + 1, language: info.trim(), text: '' }, fence, indent };
      blocks.push(open.block);
    } else if (fence?.startsWith(open.fence) && info === '') open = undefined;
    else open.block.text += `${line.startsWith(open.indent) ? line.slice(open.indent.length) : line}\n`;
  }
  if (open) throw new Error(`${page}:${open.block.line}: the code block is never closed.`);
  return blocks;
}
