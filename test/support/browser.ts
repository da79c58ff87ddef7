/** The system's Chromium, without a window. */
import puppeteer, { type Browser } from 'puppeteer-core';

/** Starts one. @param program its path */
export function launchBrowser(program: string): Promise<Browser> {
  return puppeteer.launch({
    executablePath: program,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    timeout: 90_000,
  });
}
