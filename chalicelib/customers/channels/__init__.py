"""By which ways members come: channels with codes and costs, live rooms, and the touches that orders keep."""
