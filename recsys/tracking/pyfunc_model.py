"""What MLflow runs to load a version: a copy of this file lies in each of them, and the rest is the installed code."""

from mlflow.models import set_model

from recsys.tracking.pyfunc import BundleModel

set_model(BundleModel())
