"""The report of a comparison: tables, figures and one offline HTML page.

Everything here is made from one dictionary, the content of result.json. Nothing in this
package fits a model or imports jax, so that a report can be made again from the file alone.
"""
