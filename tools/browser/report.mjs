// The report of a comparison: a small one is run, then read from the disk with no server at hand.
import { equal, sees } from "./stage.mjs";

const { WORK } = process.env;
const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

export default async function report(stage) {
  const out = `${WORK}/compare`;
  await stage.check("a small comparison runs to its end", () =>
    stage.run("compare", "--models", "threads,loop", "--workload", "keep-alive,open,idle,stall",
      "--connections", "1,16", "--runs", "2", "--duration", "300ms", "--out", out));
  const page = await stage.file(`${out}/report.html`);
  await stage.check("the report has its parts", async () => {
    for (const title of ["Verdict", "Machine", "Models", "Throughput against connections"]) {
      await sees(page, "h2", title);
    }
  });
  await stage.check("its pictures have points of both models and words for who cannot see them", async () => {
    const charts = await page.locator("svg[role=img]").evaluateAll((charts) => charts.map((chart) => ({
      drawn: chart.querySelectorAll("path, polyline, circle, rect, polygon").length,
      told: (chart.getAttribute("aria-label") ?? "").length,
    })));
    equal(charts.length > 5, true);
    equal(charts.filter(({ drawn, told }) => drawn === 0 || told === 0).length, 0);
  });
  for (const scheme of ["light", "dark"]) {
    await stage.check(`the report, ${scheme}: axe finds nothing`, async () => {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
      await stage.picture(page, `report-${scheme}`);
      await stage.axe(page);
    });
  }
  await stage.check("the report fits on a phone", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    equal(Math.max(0, await wide(page)), 0);
    await stage.picture(page, "report-phone");
  });
  await page.close();
}
