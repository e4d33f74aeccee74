from harness import ROOT
PAGE = ROOT / "docs" / "worst-day.md"
def page(results): return ""
