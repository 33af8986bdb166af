// Chromium as a person has it, with a profile of its own that is gone afterwards.

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

/** Without the last four it would look for hosts of its maker, which no test may. */
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];
const PATIENCE_MILLISECONDS = 30_000;

export interface ConsolePage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page's policy forbade, and what failed in its scripts. */
  readonly complaints: string[];
}

export class ConsoleBrowser implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #consoleUrl: string;

  private constructor(browser: Browser, consoleUrl: string) {
    this.#browser = browser;
    this.#consoleUrl = consoleUrl;
  }

  static async start(managerUrl: string): Promise<ConsoleBrowser> {
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGUMENTS });
    return new ConsoleBrowser(browser, `${managerUrl}/console/`);
  }

  /** A person who was never here. The manager's CA is its own, so its certificate is not known to the browser. */
  async visit(options: { readonly dark?: boolean; readonly width?: number } = {}): Promise<ConsolePage> {
    const context = await this.#browser.newContext({
      ignoreHTTPSErrors: true,
      colorScheme: options.dark === true ? 'dark' : 'light',
      viewport: { width: options.width ?? 1280, height: 900 },
      locale: 'en-GB',
    });
    context.setDefaultTimeout(PATIENCE_MILLISECONDS);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // A status that is not 2xx is told too: it is what some tests are about.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        complaints.push(message.text());
      }
    });
    await page.goto(this.#consoleUrl);
    return { page, context, complaints };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
